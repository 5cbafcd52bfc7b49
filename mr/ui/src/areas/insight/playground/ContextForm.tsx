/** Who asks: a user, attributes one by one, or a header as an SDK sends it. */
import {
  ActionIcon,
  Autocomplete,
  Badge,
  Button,
  Checkbox,
  Fieldset,
  Group,
  Stack,
  TagsInput,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core';
import { IconPlus, IconX } from '@tabler/icons-react';
import { type ReactNode, useEffect, useState } from 'react';
import { WELL_KNOWN, wellKnown } from '@/areas/features/strategies/rules';
import { useTexts } from '@/texts';
import { type Asked, type Attribute, formatAttributes } from './context';

interface ContextFormProps {
  asked: Asked;
  onChange: (change: Partial<Asked>) => void;
  /** What the server made of it. */
  understood: Record<string, string[]> | undefined;
  environment: ReactNode;
}

export function ContextForm({ asked, onChange, understood, environment }: ContextFormProps) {
  const t = useTexts().insight.playground;
  return (
    <Stack gap="sm">
      {environment}
      <TextInput
        label={t.user}
        description={t.userHint}
        value={asked.user}
        onChange={(event) => onChange({ user: event.currentTarget.value })}
        autoComplete="off"
        spellCheck={false}
      />
      <Attributes attributes={asked.attributes} onChange={(attributes) => onChange({ attributes })} />
      <Textarea
        label={t.header}
        description={t.headerHint}
        placeholder="userkey=fred,country=norway"
        value={asked.header}
        onChange={(event) => onChange({ header: event.currentTarget.value })}
        autosize
        minRows={2}
        maxRows={6}
        spellCheck={false}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
      />
      {asked.header !== '' && (
        <Checkbox
          label={t.ampersand}
          checked={asked.ampersand}
          onChange={(event) => onChange({ ampersand: event.currentTarget.checked })}
        />
      )}
      <TextInput
        type="datetime-local"
        label={t.at}
        description={t.atHint}
        value={asked.at}
        onChange={(event) => onChange({ at: event.currentTarget.value })}
      />
      {understood !== undefined && <Understood attributes={understood} />}
    </Stack>
  );
}

function Understood({ attributes }: { attributes: Record<string, string[]> }) {
  const t = useTexts().insight.playground;
  const names = Object.keys(attributes);
  return (
    <div>
      <Text size="sm" fw={500}>
        {t.understood}
      </Text>
      {names.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t.nobody}
        </Text>
      ) : (
        <Group gap={4} mt={4}>
          {names.map((name) => (
            <Badge key={name} variant="default" radius="sm" tt="none" fw={400} maw="100%">
              {name} = {attributes[name]?.join(', ')}
            </Badge>
          ))}
        </Group>
      )}
    </div>
  );
}

interface AttributesProps {
  attributes: readonly Attribute[];
  onChange: (attributes: Attribute[]) => void;
}

/** Rows that are being typed in are kept here: one without a name yet has no place in the address. */
function Attributes({ attributes, onChange }: AttributesProps) {
  const t = useTexts().insight.playground;
  const [rows, setRows] = useState<Attribute[]>(() => [...attributes]);
  const outside = formatAttributes(attributes);
  useEffect(() => {
    // A link or the way back in the browser; what was typed here is the same already.
    setRows((mine) => (formatAttributes(named(mine)) === outside ? mine : [...attributes]));
  }, [outside, attributes]);
  const change = (next: Attribute[]) => {
    setRows(next);
    onChange(named(next));
  };
  return (
    <Fieldset legend={t.attributes} variant="unstyled">
      <Stack gap="xs">
        {rows.map((row, index) => (
          <AttributeRow
            key={index}
            row={row}
            onChange={(next) => change(rows.map((each, place) => (place === index ? next : each)))}
            onRemove={() => change(rows.filter((_, place) => place !== index))}
          />
        ))}
        <Button
          variant="default"
          size="compact-sm"
          leftSection={<IconPlus size={14} />}
          onClick={() => setRows([...rows, { name: '', values: [] }])}
          style={{ alignSelf: 'flex-start' }}
        >
          {t.addAttribute}
        </Button>
      </Stack>
    </Fieldset>
  );
}

function named(rows: readonly Attribute[]): Attribute[] {
  return rows.filter((row) => row.name.trim() !== '');
}

interface AttributeRowProps {
  row: Attribute;
  onChange: (row: Attribute) => void;
  onRemove: () => void;
}

function AttributeRow({ row, onChange, onRemove }: AttributeRowProps) {
  const t = useTexts().insight.playground;
  return (
    <Group gap={6} wrap="nowrap" align="flex-start">
      <Autocomplete
        w={130}
        aria-label={t.attributeName}
        placeholder={t.attributeName}
        data={WELL_KNOWN.map((each) => each.name)}
        value={row.name}
        onChange={(name) => onChange({ ...row, name })}
      />
      <TagsInput
        style={{ flex: 1, minWidth: 0 }}
        aria-label={t.attributeValues(row.name)}
        placeholder={row.values.length === 0 ? t.valuesPlaceholder : ''}
        data={[...(wellKnown(row.name)?.choices ?? [])]}
        limit={50}
        acceptValueOnBlur
        value={row.values}
        onChange={(values) => onChange({ ...row, values })}
      />
      <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t.removeAttribute(row.name)} onClick={onRemove}>
        <IconX size={16} />
      </ActionIcon>
    </Group>
  );
}
