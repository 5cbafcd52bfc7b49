import { useCallback, useEffect, useState } from 'react';
import type { SettingsMap } from './settings';

/** How a form reads the stored map, and what it would change in it. Module constants: they never change. */
export interface FormRules<Form> {
  read: (stored: SettingsMap) => Form;
  change: (stored: SettingsMap, form: Form) => Record<string, string>;
}

/**
 * A form over stored settings. While nothing was edited it follows them, for the server may switch an endpoint
 * off by itself; what was edited stays.
 */
export function useSettingsForm<Form>(stored: SettingsMap, rules: FormRules<Form>) {
  const [state, setState] = useState(() => ({ stored, form: rules.read(stored) }));
  useEffect(() => {
    setState((old) => {
      const untouched = Object.keys(rules.change(old.stored, old.form)).length === 0;
      return { stored, form: untouched ? rules.read(stored) : old.form };
    });
  }, [stored, rules]);
  const change = rules.change(state.stored, state.form);
  return {
    form: state.form,
    change,
    unsaved: Object.keys(change).length > 0,
    setForm: useCallback((form: Form) => setState((old) => ({ ...old, form })), []),
    /** Show what is stored: after saving, or instead of what was edited. */
    show: useCallback((saved: SettingsMap) => setState({ stored: saved, form: rules.read(saved) }), [rules]),
  };
}

export const NO_SETTINGS: SettingsMap = {};
