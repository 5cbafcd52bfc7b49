import { ActionIcon, Button, Group, Input, Stack, TextInput } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { useCapability } from '@/app/session';
import { useApiChange } from '@/api/hooks';
import { useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { MASK } from './settings';

interface HeaderListProps {
  value: Record<string, string>;
  onChange: (value: Record<string, string>) => void;
}

/** Headers with secret values. Stored values stay masked until they are replaced or revealed. */
export function HeaderList({ value, onChange }: HeaderListProps) {
  const c = useTexts().people.config;
  const notify = useNotify();
  const mayReveal = useCapability('webhook.decryption');
  const reveal = useApiChange('decryptSystemConfig');
  const [name, setName] = useState('');
  const show = (header: string) =>
    reveal
      .mutateAsync({ params: { key: 'slack.delivery.headers', mapKey: header } })
      .then((found) => onChange({ ...value, [header]: found.result ?? '' }), notify.failure);
  const without = (header: string) => Object.fromEntries(Object.entries(value).filter(([each]) => each !== header));
  return (
    <Input.Wrapper label={c.headers} labelElement="div">
      <Stack gap="xs">
        {Object.entries(value).map(([header, text]) => (
          <Group key={header} gap="xs" wrap="nowrap" align="end">
            <TextInput
              label={header}
              flex={1}
              autoComplete="off"
              placeholder={text === MASK ? '••••••' : undefined}
              value={text === MASK ? '' : text}
              onChange={(event) => onChange({ ...value, [header]: event.currentTarget.value })}
            />
            {text === MASK && mayReveal && (
              <Button variant="default" onClick={() => void show(header)}>
                {c.reveal}
              </Button>
            )}
            <ActionIcon variant="default" size="input-sm" aria-label={c.removeHeader(header)} onClick={() => onChange(without(header))}>
              <IconTrash size={16} />
            </ActionIcon>
          </Group>
        ))}
        <Group gap="xs" align="end">
          <TextInput label={c.headerName} value={name} onChange={(event) => setName(event.currentTarget.value)} />
          <Button
            variant="default"
            leftSection={<IconPlus size={16} />}
            disabled={name.trim() === '' || name.trim() in value}
            onClick={() => {
              onChange({ ...value, [name.trim()]: '' });
              setName('');
            }}
          >
            {c.addHeader}
          </Button>
        </Group>
      </Stack>
    </Input.Wrapper>
  );
}
