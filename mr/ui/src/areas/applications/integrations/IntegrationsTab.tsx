import { Alert, Group, SegmentedControl, Select, Stack, Text } from '@mantine/core';
import { IconPlugConnected } from '@tabler/icons-react';
import { useApi } from '@/api/hooks';
import type { Application, Environment } from '@/api/schema';
import { useSearchParam } from '@/app/navigate';
import { EmptyState, Failure, Loading } from '@/kit';
import { ProductionMark } from '@/kit/ProductionMark';
import { useTexts } from '@/texts';
import { Deliveries } from './Deliveries';
import { SlackForm } from './SlackForm';
import { SLACK, WEBHOOK } from './settings';
import { WebhookForm } from './WebhookForm';

/** Who is told of changes in an environment: a webhook, a chat; and what became of the messages. */
export function IntegrationsTab({ application }: { application: Application }) {
  const t = useTexts();
  const [wanted, setWanted] = useSearchParam('environment');
  const [type, setType] = useSearchParam('type', 'webhook');
  const { environments } = application;
  const environment = environments.find((each) => each.id === wanted) ?? environments[0];
  if (environment === undefined) {
    return (
      <EmptyState
        icon={IconPlugConnected}
        title={t.applications.noEnvironments}
        text={t.applications.environment.emptyText}
      />
    );
  }
  return (
    <Stack gap="md">
      <Text c="dimmed" size="sm">
        {t.applications.integrations.lead}
      </Text>
      <Group align="center">
        <Select
          aria-label={t.applications.chooseEnvironment}
          data={environments.map(({ id, name }) => ({ value: id, label: name }))}
          value={environment.id}
          searchable
          allowDeselect={false}
          w={240}
          onChange={(id) => id !== null && setWanted(id)}
        />
        <SegmentedControl
          aria-label={t.applications.integrations.type}
          data={[
            { value: 'webhook', label: t.applications.integrations.webhook },
            { value: 'slack', label: t.applications.integrations.slack },
          ]}
          value={type}
          onChange={setType}
        />
        <ProductionMark environment={environment} />
      </Group>
      <Integration key={`${environment.id} ${type}`} environmentId={environment.id} slack={type === 'slack'} />
      <Deliveries key={environment.id} environmentId={environment.id} />
    </Stack>
  );
}

function Integration({ environmentId, slack }: { environmentId: string; slack: boolean }) {
  const t = useTexts().applications.integrations;
  const environment = useApi('getEnvironment', { eid: environmentId, includeDetails: true });
  const types = useApi('getWebhookTypes', {}, { staleTime: Number.POSITIVE_INFINITY });
  if (environment.isPending || types.isPending) return <Loading />;
  const failed = environment.error ?? types.error;
  if (failed) return <Failure error={failed} onRetry={() => void (environment.error ? environment : types).refetch()} />;
  const offered = types.data?.types.find((each) => each.envPrefix === (slack ? SLACK : WEBHOOK));
  if (offered === undefined) return <Alert color="gray">{t.slackUnavailable}</Alert>;
  const Form = slack ? SlackForm : WebhookForm;
  return <Form environment={environment.data as Environment} messageType={offered.messageType} />;
}

export interface IntegrationFormProps {
  environment: Environment;
  /** By which the server tests this kind. */
  messageType: string;
}
