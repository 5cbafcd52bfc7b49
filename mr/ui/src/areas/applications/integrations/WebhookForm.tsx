import { Alert, Button, Checkbox, Fieldset, Group, Stack, Switch, Text } from '@mantine/core';
import { IconEye, IconPlugConnectedX, IconSend } from '@tabler/icons-react';
import { type FormEvent, useState } from 'react';
import { useApi } from '@/api/hooks';
import { useCapability } from '@/app/session';
import { Failure } from '@/kit';
import { UnsavedGuard } from '@/kit/UnsavedGuard';
import { useTexts } from '@/texts';
import { Headers } from './Headers';
import type { IntegrationFormProps } from './IntegrationsTab';
import { SecretText } from './SecretText';
import {
  HIDDEN,
  headerFault,
  isAddress,
  type SettingsMap,
  settingsChange,
  switchedOff,
  WEBHOOK,
  type WebhookForm as Form,
  webhookForm,
  webhookSettings,
} from './settings';
import { useIntegration } from './useIntegration';
import { type FormRules, NO_SETTINGS, useSettingsForm } from './useSettingsForm';

const RULES: FormRules<Form> = {
  read: webhookForm,
  change: (stored, form) => settingsChange(stored, webhookSettings(form), WEBHOOK),
};

/** The webhook of an environment. Texts to be encrypted are sealed by the server and not shown again. */
export function WebhookForm(props: IntegrationFormProps) {
  const t = useTexts();
  const words = t.applications.integrations;
  const stored = props.environment.webhookEnvironmentInfo ?? NO_SETTINGS;
  const { form, setForm, change, unsaved, show } = useSettingsForm(stored, RULES);
  const integration = useIntegration(props);
  const revealing = useReveal(props.environment.id);
  const wrong = faulty(form);
  const off = switchedOff(stored, WEBHOOK);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!unsaved || wrong) return;
    await integration.save(change, show);
  };
  return (
    <form onSubmit={submit} noValidate>
      <UnsavedGuard unsaved={unsaved} />
      <Stack gap="md">
        <Text size="sm" c="dimmed">
          {words.webhookHint}
        </Text>
        {off !== undefined && (
          <Alert color="orange" icon={<IconPlugConnectedX />} title={words.switchedOff}>
            {words.switchedOffHint(off)}
          </Alert>
        )}
        <Failure error={integration.error} />
        <Switch
          label={words.enabled}
          checked={form.enabled}
          onChange={(event) => setForm({ ...form, enabled: event.currentTarget.checked })}
        />
        <Address form={form} onChange={setForm} revealed={revealing.settings} />
        <Headers form={form} onChange={setForm} revealed={revealing.settings} />
        <SigningKey form={form} onChange={setForm} />
        <Group>
          <Button type="submit" disabled={!unsaved || wrong} loading={integration.busy}>
            {t.common.save}
          </Button>
          <Button variant="default" disabled={!unsaved} onClick={() => show(stored)}>
            {t.common.discard}
          </Button>
          <Button
            variant="default"
            leftSection={<IconSend size={16} />}
            disabled={unsaved || form.endpoint === ''}
            loading={integration.testing}
            onClick={() => void integration.test()}
          >
            {words.test}
          </Button>
          {revealing.offer}
          <Text size="sm" c="dimmed" role="status">
            {unsaved && words.testUnsaved}
          </Text>
        </Group>
      </Stack>
    </form>
  );
}

function faulty(form: Form): boolean {
  const address = form.endpoint === '' ? form.enabled : !isAddress(form.endpoint);
  return address || form.headers.some((header) => headerFault(form.headers, header) !== undefined);
}

interface PartProps {
  form: Form;
  onChange: (form: Form) => void;
  revealed?: SettingsMap | undefined;
}

function Address({ form, onChange, revealed }: PartProps) {
  const t = useTexts().applications.integrations;
  const encryption = useCapability('webhook.encryption');
  const wrong = form.endpoint === '' ? form.enabled : !isAddress(form.endpoint);
  return (
    <Stack gap="xs">
      <SecretText
        label={t.endpoint}
        description={t.endpointHint}
        placeholder="https://"
        value={form.endpoint}
        revealed={revealed?.[`${WEBHOOK}.endpoint`]}
        error={wrong ? t.endpointFault : undefined}
        onChange={(endpoint) => onChange({ ...form, endpoint })}
      />
      {encryption && (
        <Checkbox
          label={t.encryptAddress}
          checked={form.encryptEndpoint}
          onChange={(event) => {
            const encryptEndpoint = event.currentTarget.checked;
            // What is hidden cannot be stored in clear: it has to be typed again.
            const endpoint = !encryptEndpoint && form.endpoint === HIDDEN ? '' : form.endpoint;
            onChange({ ...form, encryptEndpoint, endpoint });
          }}
        />
      )}
    </Stack>
  );
}

function SigningKey({ form, onChange }: PartProps) {
  const t = useTexts().applications.integrations;
  return (
    <Fieldset legend={t.secret}>
      <Stack gap="xs">
        <Text size="sm" c="dimmed">
          {t.secretHint}
        </Text>
        <Group align="flex-end" maw={720}>
          <div style={{ flex: 1 }}>
            <SecretText bare label={t.secret} value={form.secret} onChange={(secret) => onChange({ ...form, secret })} />
          </div>
          {form.secret === HIDDEN && (
            <Button variant="subtle" color="red" onClick={() => onChange({ ...form, secret: '' })}>
              {t.secretRemove}
            </Button>
          )}
        </Group>
      </Stack>
    </Fieldset>
  );
}

/** Encrypted texts in the clear, on demand and where the server allows it. */
function useReveal(environmentId: string) {
  const t = useTexts().applications.integrations;
  const allowed = useCapability('webhook.decryption');
  const [wanted, setWanted] = useState(false);
  const query = useApi(
    'getEnvironment',
    { eid: environmentId, includeDetails: true, decryptWebhookDetails: true },
    { enabled: allowed && wanted },
  );
  const offer = allowed && query.data === undefined && (
    <Button variant="subtle" leftSection={<IconEye size={16} />} loading={query.isFetching} onClick={() => setWanted(true)}>
      {t.reveal}
    </Button>
  );
  return { settings: query.data?.webhookEnvironmentInfo, offer };
}
