/** How much SDKs ask in each environment of an application, and how many are connected. */
import { Box, Button, Group, Paper, SegmentedControl, SimpleGrid, Stack, Table, Text, Title } from '@mantine/core';
import { IconBox } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { useApi } from '@/api/hooks';
import type { Application, Environment, EnvironmentUsage } from '@/api/schema';
import { useSearchParam } from '@/app/navigate';
import { EmptyState, Failure, Loading, Page } from '@/kit';
import { ApplicationSelect, ForApplication } from '@/kit/ForApplication';
import { ProductionMark } from '@/kit/ProductionMark';
import { useTexts } from '@/texts';
import { useReadable } from '../environments';
import { RequestChart, StreamChart, useColours, useMomentWords } from './Charts';
import { beginOf, KINDS, lengthOf, RANGES, type Range, requests, type Slot, slots } from './series';

const REFRESHED_MS = 15_000;

export default function UsagePage() {
  const t = useTexts().insight.usage;
  return (
    <Page title={t.title} lead={t.lead} actions={<ApplicationSelect />}>
      <ForApplication>{(application) => <OfApplication key={application.id} application={application} />}</ForApplication>
    </Page>
  );
}

function OfApplication({ application }: { application: Application }) {
  const t = useTexts().insight;
  const { environments, loading, error, retry } = useReadable(application);
  const [name, setName] = useSearchParam('range', '1h');
  const range = RANGES.find((each) => each.name === name) ?? (RANGES[0] as Range);
  if (loading) return <Loading />;
  if (error !== null) return <Failure error={error} onRetry={retry} />;
  if (environments.length === 0) {
    return <EmptyState icon={IconBox} title={t.noEnvironmentsTitle} text={t.noEnvironmentsText} />;
  }
  return (
    <Stack gap="md">
      <Group justify="space-between">
        <SegmentedControl
          aria-label={t.usage.range}
          value={range.name}
          onChange={setName}
          data={RANGES.map((each) => ({ value: each.name, label: t.usage.ranges[each.name] }))}
        />
        <Legend />
      </Group>
      <Environments environments={environments} range={range} />
    </Stack>
  );
}

function Legend() {
  const t = useTexts().insight.usage;
  const colours = useColours();
  return (
    <Group gap="md">
      {KINDS.map((kind) => (
        <Group key={kind} gap={6}>
          <Box w={10} h={10} bg={colours[kind]} style={{ borderRadius: 2 }} aria-hidden />
          <Text size="xs">{t.kinds[kind]}</Text>
        </Group>
      ))}
    </Group>
  );
}

/** The present moment, as often as it makes a difference to a chart. */
function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), REFRESHED_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function Environments({ environments, range }: { environments: readonly Environment[]; range: Range }) {
  const now = useNow();
  const begin = beginOf(range, now);
  const params = {
    environmentId: environments.slice(0, 50).map((each) => each.id),
    step: range.step,
    since: new Date(begin).toISOString(),
    until: new Date(begin + range.points * lengthOf(range)).toISOString(),
  };
  const found = useApi('showUsage', params, { keep: true, refetchInterval: REFRESHED_MS });
  if (found.isPending) return <Loading />;
  if (found.data === undefined) return <Failure error={found.error} onRetry={() => void found.refetch()} />;
  return (
    <SimpleGrid cols={{ base: 1, xl: 2 }}>
      {environments.map((environment) => {
        const usage = found.data.environments.find((each) => each.environmentId === environment.id);
        return usage && <EnvironmentCard key={environment.id} environment={environment} usage={usage} range={range} begin={begin} now={now} />;
      })}
    </SimpleGrid>
  );
}

interface EnvironmentCardProps {
  environment: Environment;
  usage: EnvironmentUsage;
  range: Range;
  begin: number;
  now: number;
}

function EnvironmentCard({ environment, usage, range, begin, now }: EnvironmentCardProps) {
  const t = useTexts().insight.usage;
  const [asTable, setAsTable] = useState(false);
  const shown = slots(usage, range, begin, now);
  const total = shown.reduce((sum, slot) => sum + requests(slot), 0);
  const quiet = total === 0 && usage.streamsNow === 0 && shown.every((slot) => slot.streams === 0);
  return (
    <Paper withBorder p="md" component="section" aria-label={environment.name}>
      <Group justify="space-between" mb="xs">
        <Group gap="xs">
          <Title order={2} size="h4">
            {environment.name}
          </Title>
          <ProductionMark environment={environment} />
        </Group>
        <Group gap="md">
          <Text size="sm">{t.requests(total)}</Text>
          <Text size="sm">{t.streamsNow(usage.streamsNow)}</Text>
        </Group>
      </Group>
      {quiet ? (
        <Text size="sm" c="dimmed">
          {t.nothing}
        </Text>
      ) : (
        <Stack gap="sm">
          {asTable ? (
            <Numbers slots={shown} />
          ) : (
            <>
              <RequestChart slots={shown} label={t.requestsOver} />
              <StreamChart slots={shown} label={t.streamsOver} />
            </>
          )}
          <Accounts usage={usage} />
          <Button variant="subtle" size="compact-xs" onClick={() => setAsTable(!asTable)} style={{ alignSelf: 'flex-start' }}>
            {asTable ? t.asChart : t.asTable}
          </Button>
        </Stack>
      )}
    </Paper>
  );
}

function Numbers({ slots: all }: { slots: readonly Slot[] }) {
  const t = useTexts().insight.usage;
  const words = useMomentWords();
  const counted = all.filter((slot) => requests(slot) > 0 || slot.streams > 0).toReversed();
  return (
    <Table.ScrollContainer minWidth={360} mah={320}>
      <Table aria-label={t.numbers} fz="xs" verticalSpacing={2} stickyHeader>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t.moment}</Table.Th>
            {KINDS.map((kind) => (
              <Table.Th key={kind} ta="right">
                {t.kinds[kind]}
              </Table.Th>
            ))}
            <Table.Th ta="right">{t.streams}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {counted.map((slot) => (
            <Table.Tr key={slot.at}>
              <Table.Td>{words(slot.at)}</Table.Td>
              {KINDS.map((kind) => (
                <Table.Td key={kind} ta="right">
                  {slot[kind]}
                </Table.Td>
              ))}
              <Table.Td ta="right">{Math.round(slot.streams * 10) / 10}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

const MOST_ACCOUNTS = 5;

function Accounts({ usage }: { usage: EnvironmentUsage }) {
  const t = useTexts().insight.usage;
  if (usage.accounts.length === 0) return null;
  return (
    <Text size="xs" c="dimmed">
      {t.askedBy}{' '}
      {usage.accounts
        .slice(0, MOST_ACCOUNTS)
        .map((account) => t.account(account.name ?? t.deletedAccount, account.requests))
        .join(', ')}
      {usage.accounts.length > MOST_ACCOUNTS && t.others(usage.accounts.length - MOST_ACCOUNTS)}
    </Text>
  );
}
