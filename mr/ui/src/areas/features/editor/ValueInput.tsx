/** The input of a value, by the feature's type. The same for the default value and for what a strategy serves. */
import { Button, CloseButton, Code, Group, Input, Modal, SegmentedControl, Textarea, TextInput } from '@mantine/core';
import { IconBraces } from '@tabler/icons-react';
import { useState } from 'react';
import { JsonEditor } from '@/kit';
import { compactJson } from '@/kit/json';
import { useTexts } from '@/texts';
import { valueFault } from '../model/served';
import type { FeatureType, Served } from '../model/wire';

interface ValueInputProps {
  type: FeatureType;
  value: Served;
  onChange: (value: Served) => void;
  label: string;
  description?: string;
  error?: string | undefined;
  readOnly?: boolean;
  /** In one line, with the label only for screen readers: in a list. */
  compact?: boolean;
}

export function ValueInput(props: ValueInputProps) {
  if (props.type === 'BOOLEAN') return <Switching {...props} />;
  if (props.type === 'JSON') return props.compact ? <DocumentButton {...props} /> : <Document {...props} />;
  return <Text {...props} />;
}

function Switching({ value, onChange, label, description, error, readOnly, compact }: ValueInputProps) {
  const t = useTexts().features.values;
  const control = (
    <SegmentedControl
      aria-label={label}
      size={compact ? 'xs' : 'sm'}
      data={[
        { value: 'off', label: t.off },
        { value: 'on', label: t.on },
      ]}
      value={value === true ? 'on' : 'off'}
      onChange={(next) => onChange(next === 'on')}
      color={value === true ? 'teal.9' : undefined}
      disabled={readOnly}
    />
  );
  return compact ? (
    control
  ) : (
    <Input.Wrapper label={label} description={description} error={error} labelElement="div">
      <div style={{ marginTop: 4 }}>{control}</div>
    </Input.Wrapper>
  );
}

/** Texts and numbers. No value and an empty text are two things; of a number, empty means no value. */
function Text({ type, value, onChange, label, description, error, readOnly, compact }: ValueInputProps) {
  const t = useTexts().features;
  const number = type === 'NUMBER';
  const text = value === null ? '' : String(value);
  const fault = valueFault(type, value) === null ? undefined : t.editor.faults.number;
  const common = {
    ...(compact ? { 'aria-label': label, size: 'xs' as const } : { label, description }),
    value: text,
    placeholder: value === null ? t.editor.noValue : t.values.empty,
    error: error ?? fault,
    readOnly: readOnly ?? false,
    rightSection:
      value === null || readOnly ? null : (
        <CloseButton
          size="sm"
          aria-label={compact ? `${t.editor.clearValue}: ${label}` : t.editor.clearValue}
          title={t.editor.clearValue}
          onClick={() => onChange(null)}
        />
      ),
    styles: { input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 13 } },
  };
  const take = (typed: string) => onChange(number && typed.trim() === '' ? null : typed);
  if (number || compact) {
    return (
      <TextInput
        {...common}
        inputMode={number ? 'decimal' : 'text'}
        onChange={(event) => take(event.currentTarget.value)}
        autoComplete="off"
      />
    );
  }
  return (
    <Textarea {...common} autosize minRows={1} maxRows={12} onChange={(event) => take(event.currentTarget.value)} />
  );
}

function Document({ value, onChange, label, description, error, readOnly }: ValueInputProps) {
  return (
    <JsonEditor
      label={label}
      {...(description === undefined ? {} : { description })}
      value={value === null ? '' : String(value)}
      onChange={(text) => onChange(text.trim() === '' ? null : text)}
      error={error}
      readOnly={readOnly ?? false}
    />
  );
}

/** A document in a list: its beginning, and a dialog to edit it. */
function DocumentButton({ value, onChange, label, error, readOnly }: ValueInputProps) {
  const t = useTexts();
  const [draft, setDraft] = useState<Served | undefined>(undefined);
  return (
    <>
      <Group gap={6} wrap="nowrap">
        <Code style={{ flex: 1, minWidth: 0, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }}>
          {value === null ? t.features.editor.noValue : compactJson(String(value))}
        </Code>
        <Button
          size="compact-sm"
          variant="default"
          color={error === undefined ? undefined : 'red'}
          leftSection={<IconBraces size={14} />}
          aria-label={`${readOnly ? t.features.editor.look : t.common.edit}: ${label}`}
          onClick={() => setDraft(value)}
        >
          {readOnly ? t.features.editor.look : t.common.edit}
        </Button>
      </Group>
      <Modal
        opened={draft !== undefined}
        onClose={() => setDraft(undefined)}
        title={label}
        size="xl"
        closeButtonProps={{ 'aria-label': t.common.close }}
      >
        <Document type="JSON" value={draft ?? null} onChange={setDraft} label={label} readOnly={readOnly ?? false} />
        {readOnly ? null : (
          <Group justify="flex-end" mt="md">
            <Button variant="default" onClick={() => setDraft(undefined)}>
              {t.common.cancel}
            </Button>
            <Button
              disabled={draft !== undefined && valueFault('JSON', draft) !== null}
              onClick={() => {
                onChange(draft ?? null);
                setDraft(undefined);
              }}
            >
              {t.features.editor.take}
            </Button>
          </Group>
        )}
      </Modal>
    </>
  );
}
