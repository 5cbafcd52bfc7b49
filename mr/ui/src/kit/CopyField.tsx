import { ActionIcon, CopyButton, Group, Input, Text, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useTexts } from '@/texts';

/** A text to take along: a key, a link, a token. Selects itself on focus; the button copies it. */
export function CopyField({ value, label, maw }: { value: string; label: string; maw?: number }) {
  const t = useTexts();
  return (
    <Input.Wrapper label={label} maw={maw}>
      <Group gap={4} wrap="nowrap">
        <Input
          readOnly
          value={value}
          aria-label={label}
          flex={1}
          styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', fontSize: 13 } }}
          onFocus={(event) => event.currentTarget.select()}
        />
        <CopyIcon value={value} label={`${t.common.copy}: ${label}`} />
      </Group>
    </Input.Wrapper>
  );
}

/** Only the button. */
export function CopyIcon({ value, label, size = 'lg' }: { value: string; label: string; size?: string }) {
  const t = useTexts();
  return (
    <CopyButton value={value} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t.common.copied : label}>
          <ActionIcon variant="default" size={size} onClick={copy} aria-label={label} color={copied ? 'teal' : undefined}>
            {copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
            <Text component="span" className="visually-hidden" aria-live="polite">
              {copied ? t.common.copied : ''}
            </Text>
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}
