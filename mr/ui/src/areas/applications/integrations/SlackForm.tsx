import { Alert, Anchor, Button, Group, Stack, Switch, Text, TextInput } from '@mantine/core';
import { IconPlugConnectedX, IconSend } from '@tabler/icons-react';
import type { FormEvent } from 'react';
import { AppLink } from '@/app/navigate';
import { isSuperuser } from '@/app/permissions';
import { useMe } from '@/app/session';
import { Failure } from '@/kit';
import { UnsavedGuard } from '@/kit/UnsavedGuard';
import { useTexts } from '@/texts';
import type { IntegrationFormProps } from './IntegrationsTab';
import { SLACK, slackChange, type SlackForm as Form, slackForm, switchedOff } from './settings';
import { useIntegration } from './useIntegration';
import { type FormRules, NO_SETTINGS, useSettingsForm } from './useSettingsForm';

const RULES: FormRules<Form> = { read: slackForm, change: slackChange };

/** The chat's channel of an environment. How the server reaches the chat is in the system configuration. */
export function SlackForm(props: IntegrationFormProps) {
  const t = useTexts();
  const words = t.applications.integrations;
  const superuser = isSuperuser(useMe());
  const stored = props.environment.webhookEnvironmentInfo ?? NO_SETTINGS;
  const { form, setForm, change, unsaved, show } = useSettingsForm(stored, RULES);
  const integration = useIntegration(props);
  const off = switchedOff(stored, SLACK);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!unsaved) return;
    await integration.save(change, show);
  };
  return (
    <form onSubmit={submit} noValidate>
      <UnsavedGuard unsaved={unsaved} />
      <Stack gap="md" maw={640}>
        <Text size="sm" c="dimmed">
          {words.slackHint}{' '}
          {superuser && (
            <Anchor component={AppLink} to="/system-config" size="sm" underline="always">
              {words.toSystem}
            </Anchor>
          )}
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
        <TextInput
          label={words.channel}
          description={words.channelHint}
          value={form.channel}
          spellCheck={false}
          onChange={(event) => setForm({ ...form, channel: event.currentTarget.value })}
        />
        <Group>
          <Button type="submit" disabled={!unsaved} loading={integration.busy}>
            {t.common.save}
          </Button>
          <Button variant="default" disabled={!unsaved} onClick={() => show(stored)}>
            {t.common.discard}
          </Button>
          <Button
            variant="default"
            leftSection={<IconSend size={16} />}
            disabled={unsaved}
            loading={integration.testing}
            onClick={() => void integration.test()}
          >
            {words.test}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
