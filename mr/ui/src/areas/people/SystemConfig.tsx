import { Alert, Anchor, Button, Fieldset, Group, Stack, Switch, Text, Textarea, TextInput } from '@mantine/core';
import { IconHistory } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import type { SystemConfig as Setting } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { useCapability } from '@/app/session';
import { Failure, Loading, Page, useNotify } from '@/kit';
import { UnsavedGuard } from '@/kit/UnsavedGuard';
import { useTexts } from '@/texts';
import { HeaderList } from './HeaderList';
import { changesOf, type Draft, draftOf, MASK, type SettingValue } from './settings';

const SLACK_APPS = 'https://api.slack.com/apps?new_app=1';

/** Settings of the whole installation. */
export default function SystemConfig() {
  const t = useTexts();
  const settings = useApi('getSystemConfig', {});
  const history = (
    <Button
      component={AppLink}
      to="/audit"
      search={{ kind: 'system-config' }}
      variant="default"
      leftSection={<IconHistory size={16} />}
    >
      {t.people.config.history}
    </Button>
  );
  return (
    <Page title={t.people.config.title} lead={t.people.config.lead} actions={history}>
      <Failure error={settings.error} onRetry={() => void settings.refetch()} />
      {settings.isPending && <Loading />}
      {settings.data && <SettingsForm settings={settings.data.configs} />}
    </Page>
  );
}

function SettingsForm({ settings }: { settings: readonly Setting[] }) {
  const t = useTexts();
  const notify = useNotify();
  // What was typed wins over what arrives: a draft holds only what differs.
  const [typed, setTyped] = useState<Draft>({});
  const [stale, setStale] = useState(false);
  const save = useApiChange('createOrUpdateSystemConfigs', { changes: ['getSystemConfig'] });
  const draft = { ...draftOf(settings), ...typed };
  const changes = changesOf(settings, typed);
  const set = (key: string, value: SettingValue) => setTyped((before) => ({ ...before, [key]: value }));
  const submit = () => {
    setStale(false);
    save.mutate(
      { params: {}, body: { configs: changes } },
      {
        onSuccess(saved) {
          const done = new Set(saved.configs.map((each) => each.key));
          setTyped((before) => Object.fromEntries(Object.entries(before).filter(([key]) => !done.has(key))));
          // Settings whose version was not the newest are passed over.
          if (done.size < changes.length) setStale(true);
          else notify.success(t.common.saved);
        },
      },
    );
  };
  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <UnsavedGuard unsaved={changes.length > 0} />
      <Stack maw={720}>
        <Failure error={save.error} />
        {stale && (
          <Alert color="orange" role="alert">
            {t.people.config.stale}
          </Alert>
        )}
        <Site draft={draft} set={set} />
        <Slack draft={draft} set={set} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={changes.length === 0}>
            {t.common.save}
          </Button>
          {changes.length > 0 && (
            <Button variant="default" onClick={() => setTyped({})}>
              {t.common.discard}
            </Button>
          )}
        </Group>
      </Stack>
    </form>
  );
}

interface PartProps {
  draft: Draft;
  set: (key: string, value: SettingValue) => void;
}

const textOf = (draft: Draft, key: string) => (typeof draft[key] === 'string' ? draft[key] : '');

function Site({ draft, set }: PartProps) {
  const c = useTexts().people.config;
  return (
    <Fieldset legend={c.site}>
      <Stack gap="sm">
        <TextInput
          label={c.siteUrl}
          description={c.siteUrlHint}
          value={textOf(draft, 'site.url')}
          onChange={(event) => set('site.url', event.currentTarget.value)}
        />
        <Switch
          label={c.robots}
          checked={draft['site.enabledRobots'] === true}
          onChange={(event) => set('site.enabledRobots', event.currentTarget.checked)}
        />
        <Switch
          label={c.redirect}
          checked={draft['site.redirectInvalidHosts'] === true}
          onChange={(event) => set('site.redirectInvalidHosts', event.currentTarget.checked)}
        />
      </Stack>
    </Fieldset>
  );
}

function Slack({ draft, set }: PartProps) {
  const c = useTexts().people.config;
  if (!useCapability('webhook.encryption')) {
    return (
      <Fieldset legend={c.slack}>
        <Text size="sm">{c.slackLocked}</Text>
      </Fieldset>
    );
  }
  return (
    <Fieldset legend={c.slack}>
      <Stack gap="sm">
        <Switch
          label={c.slackEnabled}
          checked={draft['slack.enabled'] === true}
          onChange={(event) => set('slack.enabled', event.currentTarget.checked)}
        />
        <Anchor href={SLACK_APPS} target="_blank" rel="noreferrer" size="sm">
          {c.slackConnect}
        </Anchor>
        <Token draft={draft} set={set} />
        <TextInput
          label={c.slackChannel}
          description={c.slackChannelHint}
          value={textOf(draft, 'slack.defaultChannel')}
          onChange={(event) => set('slack.defaultChannel', event.currentTarget.value)}
        />
        <Textarea
          label={c.format}
          description={c.formatHint}
          autosize
          minRows={2}
          maxRows={12}
          value={textOf(draft, 'slack.messageFormat.featureChange')}
          onChange={(event) => set('slack.messageFormat.featureChange', event.currentTarget.value)}
        />
        <Fieldset legend={c.delivery} variant="filled">
          <Stack gap="sm">
            <TextInput
              label={c.deliveryUrl}
              description={c.deliveryUrlHint(textOf(draft, 'slack.delivery.prefixes').replaceAll(',', ', '))}
              value={textOf(draft, 'slack.delivery.url')}
              onChange={(event) => set('slack.delivery.url', event.currentTarget.value)}
            />
            <HeaderList
              value={(draft['slack.delivery.headers'] ?? {}) as Record<string, string>}
              onChange={(headers) => set('slack.delivery.headers', headers)}
            />
          </Stack>
        </Fieldset>
      </Stack>
    </Fieldset>
  );
}

/** A secret that is never sent here again: replaced, removed, or revealed where that is allowed. */
function Token({ draft, set }: PartProps) {
  const c = useTexts().people.config;
  const notify = useNotify();
  const mayReveal = useCapability('webhook.decryption');
  const reveal = useApiChange('decryptSystemConfig');
  const key = 'slack.bearerToken';
  const stored = draft[key] === MASK;
  const show = () =>
    reveal.mutateAsync({ params: { key } }).then((found) => set(key, found.result ?? ''), notify.failure);
  return (
    <Group align="end" gap="xs" wrap="nowrap">
      <TextInput
        label={c.slackToken}
        description={c.slackTokenHint}
        placeholder={stored ? c.slackTokenSet : undefined}
        flex={1}
        autoComplete="off"
        value={stored ? '' : textOf(draft, key)}
        onChange={(event) => set(key, event.currentTarget.value)}
      />
      {stored && mayReveal && (
        <Button variant="default" loading={reveal.isPending} onClick={() => void show()}>
          {c.reveal}
        </Button>
      )}
      {stored && (
        <Button variant="default" color="red" onClick={() => set(key, null)}>
          {c.clearToken}
        </Button>
      )}
    </Group>
  );
}
