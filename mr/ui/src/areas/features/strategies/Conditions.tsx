/** The conditions of a strategy: rows of field, comparison and values. */
import {
  ActionIcon,
  Autocomplete,
  Button,
  Group,
  Menu,
  MultiSelect,
  Paper,
  Select,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useTexts } from '@/texts';
import type { Conditional, FieldType } from '../model/wire';
import { type ConditionDraft, shortId } from './draft';
import { type ConditionFault, conditionalsOf, FIELD_TYPES, settled, WELL_KNOWN, wellKnown } from './rules';
import { choiceWords, fieldWords } from './words';

interface ConditionsProps {
  conditions: ConditionDraft[];
  onChange: (next: ConditionDraft[]) => void;
  faults: ReadonlyMap<string, ConditionFault>;
  serverFaults: ReadonlyMap<string, string>;
  readOnly: boolean;
}

export function Conditions({ conditions, onChange, faults, serverFaults, readOnly }: ConditionsProps) {
  const t = useTexts().features.strategy;
  const add = (fieldName: string) => {
    const fresh: ConditionDraft = {
      id: shortId(conditions.map((each) => each.id)),
      fieldName,
      type: 'STRING',
      conditional: 'EQUALS',
      values: [],
    };
    onChange([...conditions, settled(fresh)]);
  };
  return (
    <Stack gap="xs" role="group" aria-label={t.conditions}>
      <div>
        <Text size="sm" fw={500}>
          {t.conditions}
        </Text>
        <Text size="xs" c="dimmed">
          {conditions.length === 0 ? t.noConditions : t.conditionsHint}
        </Text>
      </div>
      {conditions.map((each) => (
        <Condition
          key={each.id}
          value={each}
          onChange={(next) => onChange(conditions.map((old) => (old.id === each.id ? next : old)))}
          onRemove={() => onChange(conditions.filter((old) => old.id !== each.id))}
          error={serverFaults.get(each.id) ?? faultText(t, faults.get(each.id))}
          readOnly={readOnly}
        />
      ))}
      {readOnly ? null : <AddCondition onAdd={add} />}
    </Stack>
  );
}

function faultText(
  t: ReturnType<typeof useTexts>['features']['strategy'],
  fault: ConditionFault | undefined,
): string | undefined {
  return fault === undefined ? undefined : t.faults[fault];
}

function AddCondition({ onAdd }: { onAdd: (fieldName: string) => void }) {
  const t = useTexts().features.strategy;
  return (
    <Menu position="bottom-start" withinPortal>
      <Menu.Target>
        <Button variant="default" size="xs" leftSection={<IconPlus size={14} />} style={{ alignSelf: 'flex-start' }}>
          {t.addCondition}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {WELL_KNOWN.map((field) => (
          <Menu.Item key={field.name} onClick={() => onAdd(field.name)}>
            {fieldWords(t, field.name)}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item onClick={() => onAdd('')}>{t.custom}</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

interface ConditionProps {
  value: ConditionDraft;
  onChange: (next: ConditionDraft) => void;
  onRemove: () => void;
  error: string | undefined;
  readOnly: boolean;
}

function Condition({ value, onChange, onRemove, error, readOnly }: ConditionProps) {
  const t = useTexts().features.strategy;
  const field = wellKnown(value.fieldName);
  return (
    <Paper withBorder p="xs" role="group" aria-label={fieldWords(t, value.fieldName) || t.custom}>
      <Group align="flex-start" gap="xs" wrap="wrap">
        {field === undefined ? (
          <CustomField value={value} onChange={onChange} readOnly={readOnly} />
        ) : (
          <Text size="sm" fw={500} w={130} pt={7}>
            {fieldWords(t, value.fieldName)}
          </Text>
        )}
        <Select
          aria-label={t.comparison}
          size="sm"
          w={170}
          allowDeselect={false}
          data={conditionalsOf(value).map((each) => ({ value: each, label: t.conditionals[each] }))}
          value={value.conditional}
          onChange={(next) => next !== null && onChange({ ...value, conditional: next as Conditional })}
          readOnly={readOnly}
        />
        <div style={{ flex: '1 1 220px' }}>
          <ValuesInput value={value} onChange={onChange} error={error} readOnly={readOnly} />
        </div>
        {readOnly ? null : (
          <ActionIcon
            variant="subtle"
            color="gray"
            mt={4}
            onClick={onRemove}
            aria-label={t.removeCondition(fieldWords(t, value.fieldName))}
          >
            <IconTrash size={16} />
          </ActionIcon>
        )}
      </Group>
    </Paper>
  );
}

function CustomField({ value, onChange, readOnly }: Pick<ConditionProps, 'value' | 'onChange' | 'readOnly'>) {
  const t = useTexts().features.strategy;
  return (
    <>
      <Autocomplete
        aria-label={t.customField}
        placeholder={t.customField}
        size="sm"
        w={160}
        data={['session', 'email']}
        value={value.fieldName}
        onChange={(fieldName) => onChange({ ...value, fieldName })}
        readOnly={readOnly}
      />
      <Select
        aria-label={t.type}
        size="sm"
        w={140}
        allowDeselect={false}
        data={FIELD_TYPES.map((each) => ({ value: each, label: t.types[each] }))}
        value={value.type}
        onChange={(next) => next !== null && onChange(retyped(value, next as FieldType))}
        readOnly={readOnly}
      />
    </>
  );
}

/** Values of true-or-false mean nothing elsewhere, and others nothing to it. */
function retyped(value: ConditionDraft, type: FieldType): ConditionDraft {
  const crossing = (type === 'BOOLEAN') !== (value.type === 'BOOLEAN');
  return settled({ ...value, type, values: crossing ? [] : value.values });
}

function ValuesInput({
  value,
  onChange,
  error,
  readOnly,
}: Pick<ConditionProps, 'value' | 'onChange' | 'error' | 'readOnly'>) {
  const t = useTexts().features.strategy;
  const choices = wellKnown(value.fieldName)?.choices ?? null;
  const set = (values: string[]) => onChange({ ...value, values });
  if (value.type === 'BOOLEAN') {
    return (
      <Select
        aria-label={t.values}
        size="sm"
        data={['true', 'false'].map((each) => ({ value: each, label: t.truth[each] ?? each }))}
        value={value.values[0] ?? null}
        onChange={(next) => set(next === null ? [] : [next])}
        error={error}
        readOnly={readOnly}
      />
    );
  }
  if (choices !== null && value.values.every((each) => choices.includes(each))) {
    return (
      <MultiSelect
        aria-label={t.values}
        size="sm"
        searchable
        data={choices.map((each) => ({ value: each, label: choiceWords(each) }))}
        value={value.values}
        onChange={set}
        error={error}
        readOnly={readOnly}
        maxDropdownHeight={260}
      />
    );
  }
  return (
    <Group gap={6} align="flex-start" wrap="nowrap">
      <TagsInput
        aria-label={t.values}
        placeholder={value.values.length === 0 ? t.placeholders[value.type] || t.addValue : ''}
        size="sm"
        style={{ flex: 1 }}
        // A comma may be part of a text or a pattern; of the other types it never is.
        splitChars={value.type === 'STRING' || value.conditional === 'REGEX' ? [] : [',', ' ']}
        acceptValueOnBlur
        value={value.values}
        onChange={set}
        error={error}
        readOnly={readOnly}
      />
      {readOnly || value.conditional === 'REGEX' ? null : (
        <Picker type={value.type} onPick={(text) => set([...new Set([...value.values, text])])} />
      )}
    </Group>
  );
}

function Picker({ type, onPick }: { type: FieldType; onPick: (text: string) => void }) {
  const t = useTexts().features.strategy;
  if (type !== 'DATE' && type !== 'DATETIME') return null;
  return (
    <TextInput
      type={type === 'DATE' ? 'date' : 'datetime-local'}
      aria-label={type === 'DATE' ? t.pickDate : t.pickMoment}
      size="sm"
      w={type === 'DATE' ? 150 : 200}
      // Taken when the field is left: while typing, a year of 0002 is also a date.
      onBlur={(event) => {
        const picked = event.currentTarget.value;
        if (picked === '') return;
        onPick(type === 'DATE' ? picked : new Date(picked).toISOString());
        event.currentTarget.value = '';
      }}
    />
  );
}
