import { useCallback, useEffect, useState } from 'react';
import { changedBoxes, rebased, type Ticks } from '../matrix';

interface Draft<Role extends string> {
  base: Ticks<Role>;
  mine: Ticks<Role>;
}

/**
 * Ticks while they are edited. When what is stored changes meanwhile, the boxes that were clicked here stay as
 * they were clicked and all others follow.
 */
export function useTicks<Role extends string>(stored: Ticks<Role> | undefined, all: readonly Role[]) {
  const [draft, setDraft] = useState<Draft<Role> | null>(null);
  useEffect(() => {
    if (stored === undefined) return;
    setDraft((before) => ({
      base: stored,
      mine: before === null ? stored : rebased(before.base, before.mine, stored, all),
    }));
  }, [stored, all]);
  const set = useCallback((mine: Ticks<Role>) => setDraft((before) => before && { ...before, mine }), []);
  const reset = useCallback(() => setDraft((before) => before && { ...before, mine: before.base }), []);
  // What was sent is what is stored: nobody has to wait for the next answer before they may leave. An answer that
  // was faster knows better.
  const saved = useCallback(
    (base: Ticks<Role>, sent: Ticks<Role>) =>
      setDraft((before) => (before !== null && before.base === base ? { ...before, base: sent } : before)),
    [],
  );
  return {
    ticks: draft?.mine ?? {},
    base: draft?.base ?? {},
    changed: draft === null ? 0 : changedBoxes(draft.base, draft.mine),
    set,
    reset,
    saved,
  };
}
