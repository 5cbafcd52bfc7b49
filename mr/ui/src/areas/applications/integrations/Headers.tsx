import { ActionIcon, Button, Checkbox, Fieldset, Stack, Table, Text, TextInput } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useId, useRef } from 'react';
import { useCapability } from '@/app/session';
import { useTexts } from '@/texts';
import { SecretText } from './SecretText';
import { type Header, headerFault, isHidden, type SettingsMap, WEBHOOK, type WebhookForm } from './settings';

interface HeadersProps {
  form: WebhookForm;
  onChange: (form: WebhookForm) => void;
  revealed: SettingsMap | undefined;
}

/** The headers that are sent with every message. */
export function Headers({ form, onChange, revealed }: HeadersProps) {
  const t = useTexts().applications.integrations;
  const encryption = useCapability('webhook.encryption');
  const prefix = useId();
  const count = useRef(0);
  const set = (headers: Header[]) => onChange({ ...form, headers });
  const add = () => {
    count.current += 1;
    set([...form.headers, { id: `${prefix}${count.current}`, name: '', value: '', encrypt: false }]);
  };
  return (
    <Fieldset legend={t.headers}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm" c="dimmed">
          {t.headersHint} {encryption ? t.encryptHint : t.noEncryption}
        </Text>
        {form.headers.length > 0 && (
          <Table.ScrollContainer minWidth={520} w="100%">
            <Table aria-label={t.headers} verticalSpacing={4} withRowBorders={false}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th w="34%">{t.headerName}</Table.Th>
                  <Table.Th>{t.headerValue}</Table.Th>
                  {encryption && <Table.Th w={90}>{t.encrypt}</Table.Th>}
                  <Table.Th w={44}>
                    <span className="visually-hidden">{t.removeHeader('')}</span>
                  </Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {form.headers.map((header) => (
                  <HeaderRow
                    key={header.id}
                    header={header}
                    headers={form.headers}
                    encryption={encryption}
                    revealed={revealed?.[`${WEBHOOK}.headers.${header.name}`]}
                    onChange={(next) => set(form.headers.map((each) => (each.id === header.id ? next : each)))}
                    onRemove={() => set(form.headers.filter((each) => each.id !== header.id))}
                  />
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
        <Button variant="default" size="xs" leftSection={<IconPlus size={14} />} onClick={add}>
          {t.addHeader}
        </Button>
      </Stack>
    </Fieldset>
  );
}

interface HeaderRowProps {
  header: Header;
  headers: readonly Header[];
  encryption: boolean;
  revealed: string | undefined;
  onChange: (header: Header) => void;
  onRemove: () => void;
}

function HeaderRow({ header, headers, encryption, revealed, onChange, onRemove }: HeaderRowProps) {
  const t = useTexts().applications.integrations;
  const fault = headerFault(headers, header);
  const hidden = isHidden(header.value);
  return (
    <Table.Tr style={{ verticalAlign: 'top' }}>
      <Table.Td>
        <TextInput
          aria-label={t.headerName}
          value={header.name}
          // A sealed text belongs to its name; under another name it could not be opened.
          readOnly={hidden}
          error={fault && t.headerFaults[fault]}
          autoComplete="off"
          spellCheck={false}
          onChange={(event) => onChange({ ...header, name: event.currentTarget.value })}
        />
      </Table.Td>
      <Table.Td>
        <SecretText
          bare
          label={`${t.headerValue} ${header.name}`.trim()}
          value={header.value}
          revealed={revealed}
          onChange={(value) => onChange({ ...header, value })}
        />
      </Table.Td>
      {encryption && (
        <Table.Td pt={10}>
          <Checkbox
            aria-label={t.encryptOf(header.name)}
            checked={header.encrypt}
            onChange={(event) => {
              const encrypt = event.currentTarget.checked;
              onChange({ ...header, encrypt, value: !encrypt && hidden ? '' : header.value });
            }}
          />
        </Table.Td>
      )}
      <Table.Td>
        <ActionIcon variant="subtle" color="gray" mt={4} aria-label={t.removeHeader(header.name)} onClick={onRemove}>
          <IconTrash size={16} />
        </ActionIcon>
      </Table.Td>
    </Table.Tr>
  );
}
