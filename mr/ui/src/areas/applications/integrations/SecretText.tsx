import { Button, Group, TextInput } from '@mantine/core';
import { useTexts } from '@/texts';
import { isHidden } from './settings';

interface SecretTextProps {
  label: string;
  /** The label is not shown: in tables. */
  bare?: boolean;
  value: string;
  /** What is behind a hidden value, when it was asked for and allowed. */
  revealed?: string | undefined;
  onChange: (value: string) => void;
  error?: string | undefined;
  placeholder?: string;
  description?: string;
}

/** A text that may rest encrypted: hidden as it comes, and replaced rather than edited. */
export function SecretText(props: SecretTextProps) {
  const { label, bare, value, revealed, onChange, error, placeholder, description } = props;
  const t = useTexts().applications.integrations;
  const named = bare ? { 'aria-label': label } : { label, description };
  if (!isHidden(value)) {
    return (
      <TextInput
        {...named}
        value={value}
        error={error}
        placeholder={placeholder}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    );
  }
  return (
    <Group gap="xs" align="flex-end" wrap="nowrap">
      <TextInput
        {...named}
        readOnly
        flex={1}
        value={revealed ?? `•••••••• (${t.hidden})`}
        variant={revealed === undefined ? 'filled' : 'default'}
      />
      <Button variant="default" aria-label={t.replaceOf(label)} onClick={() => onChange('')}>
        {t.replace}
      </Button>
    </Group>
  );
}
