/** "Why?": what a context gets in an environment, which rule decided, and why the others did not. */
import { Grid, Paper } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconBox } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { call } from '@/api/client';
import type { Application, Environment } from '@/api/schema';
import { EmptyState, Failure, Loading, Page } from '@/kit';
import { ApplicationSelect, ForApplication } from '@/kit/ForApplication';
import { useTexts } from '@/texts';
import { EnvironmentSelect, useReadable } from '../environments';
import { ContextForm } from './ContextForm';
import { requestOf } from './context';
import { Results } from './Results';
import { useAsked } from './useAsked';

export default function Playground() {
  const t = useTexts().insight.playground;
  return (
    <Page title={t.title} lead={t.lead} actions={<ApplicationSelect />}>
      <ForApplication>{(application) => <OfApplication key={application.id} application={application} />}</ForApplication>
    </Page>
  );
}

function OfApplication({ application }: { application: Application }) {
  const t = useTexts().insight;
  const { environments, loading, error, retry } = useReadable(application);
  if (loading) return <Loading />;
  if (error !== null) return <Failure error={error} onRetry={retry} />;
  if (environments.length === 0) {
    return <EmptyState icon={IconBox} title={t.noEnvironmentsTitle} text={t.noEnvironmentsText} />;
  }
  return <Evaluation environments={environments} />;
}

function Evaluation({ environments }: { environments: readonly Environment[] }) {
  const t = useTexts().insight.playground;
  const [asked, change] = useAsked(environments);
  const request = requestOf(asked);
  const [later] = useDebouncedValue(JSON.stringify(request), 250);
  const found = useQuery({
    queryKey: ['evaluateFeatures', later],
    queryFn: ({ signal }) => call('evaluateFeatures', { body: JSON.parse(later) as typeof request }, { signal }),
    placeholderData: (before) => before,
  });
  return (
    <Grid gap="md">
      <Grid.Col span={{ base: 12, md: 4 }}>
        <Paper withBorder p="md" component="form" aria-label={t.context} onSubmit={(event) => event.preventDefault()}>
          <ContextForm
            asked={asked}
            onChange={change}
            understood={found.data?.attributes}
            environment={
              <EnvironmentSelect
                environments={environments}
                value={asked.environmentId}
                onChange={(environmentId) => change({ environmentId })}
              />
            }
          />
        </Paper>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 8 }}>
        {found.error !== null && <Failure error={found.error} onRetry={() => void found.refetch()} />}
        {found.isPending ? <Loading /> : found.data && <Results answer={found.data} faded={found.isPlaceholderData} />}
      </Grid.Col>
    </Grid>
  );
}
