/**
 * The editor of one rollout strategy: name, share and conditions.
 *
 * Used for strategies of a value, of a feature group and of an application. Holds no state of its own: who
 * uses it owns the draft, and adds what the strategy serves.
 */
import { Alert, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useTexts } from '@/texts';
import { Conditions } from './Conditions';
import { formatPercent, parsePercent, type StrategyDraft } from './draft';
import { type StrategyFault, strategyFault } from './rules';
import { strategyWords } from './words';

export interface StrategyEditorProps {
  value: StrategyDraft;
  onChange: (next: StrategyDraft) => void;
  /** Show what is missing also where nothing was typed yet: after an attempt to save. */
  strict?: boolean;
  /** What the server said, by condition id or `''` for the strategy itself. */
  serverFaults?: ReadonlyMap<string, string>;
  readOnly?: boolean;
}

export function StrategyEditor({
  value,
  onChange,
  strict = false,
  serverFaults,
  readOnly = false,
}: StrategyEditorProps) {
  const t = useTexts().features.strategy;
  const fault = strategyFault(value);
  const own = serverFaults?.get('');
  return (
    <Stack gap="md">
      <TextInput
        label={t.name}
        placeholder={t.namePlaceholder}
        value={value.name}
        onChange={(event) => onChange({ ...value, name: event.currentTarget.value })}
        error={nameError(t, fault, strict)}
        readOnly={readOnly}
        required
        data-autofocus
      />
      <ShareInput value={value} onChange={onChange} readOnly={readOnly} />
      <Conditions
        conditions={value.conditions}
        onChange={(conditions) => onChange({ ...value, conditions })}
        faults={strict ? (fault?.conditions ?? new Map()) : shownFaults(fault, value)}
        serverFaults={serverFaults ?? new Map()}
        readOnly={readOnly}
      />
      {strict && fault?.empty ? (
        <Text c="red" size="sm" role="alert">
          {t.faults.empty}
        </Text>
      ) : null}
      {own === undefined ? null : (
        <Alert color="red" role="alert">
          {own}
        </Alert>
      )}
      {fault === null ? (
        <Text size="sm" c="dimmed" aria-live="polite">
          {strategyWords(t, value)}
        </Text>
      ) : null}
    </Stack>
  );
}

function nameError(
  t: ReturnType<typeof useTexts>['features']['strategy'],
  fault: StrategyFault | null,
  strict: boolean,
) {
  if (fault?.name === 'long') return t.faults.nameLong;
  return strict && fault?.name === 'missing' ? t.faults.nameMissing : undefined;
}

/** While somebody is typing, only what was typed is called wrong, not what is still to come. */
function shownFaults(fault: StrategyFault | null, value: StrategyDraft) {
  const typed = new Set(
    value.conditions.filter((each) => each.values.length > 0 && each.fieldName !== '').map((each) => each.id),
  );
  return new Map([...(fault?.conditions ?? [])].filter(([id]) => typed.has(id)));
}

function ShareInput({
  value,
  onChange,
  readOnly,
}: Pick<StrategyEditorProps, 'value' | 'onChange'> & { readOnly: boolean }) {
  const t = useTexts().features.strategy;
  const [text, setText] = useState(() =>
    value.percentage === null || Number.isNaN(value.percentage) ? '' : formatPercent(value.percentage),
  );
  const wrong = value.percentage !== null && !(value.percentage >= 0 && value.percentage <= 1_000_000);
  return (
    <>
      <TextInput
        label={t.share}
        description={t.shareHint}
        placeholder={t.sharePlaceholder}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          onChange({ ...value, percentage: parsePercent(event.currentTarget.value) });
        }}
        error={wrong ? t.faults.percentage : undefined}
        inputMode="decimal"
        rightSection={
          <Text size="sm" c="dimmed">
            %
          </Text>
        }
        readOnly={readOnly}
        styles={{ wrapper: { maxWidth: 240 } }}
      />
      {value.percentageAttributes.length > 0 ? (
        <Text size="sm" c="dimmed">
          {t.keptAttributes(value.percentageAttributes.join(', '))}
        </Text>
      ) : null}
    </>
  );
}
