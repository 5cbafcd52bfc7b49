import { Badge, Button, Drawer, Group, SegmentedControl, Stack, Text, Title } from '@mantine/core';
import { IconMailFast, IconRefresh, IconSend } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import type { DeliveryRecord } from '@/api/schema';
import { Ago, type Column, DataTable, EmptyState, Failure, Loading, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { DeliveryDetails } from './DeliveryDetails';

const STATES = ['all', 'waiting', 'delivered', 'dead'] as const;
type Shown = (typeof STATES)[number];

const PAGE = 20;
const WHILE_WAITING_MS = 2000;

/** What became of an environment's messages, and another try for those that were given up. */
export function Deliveries({ environmentId }: { environmentId: string }) {
  const t = useTexts().applications.deliveries;
  const [shown, setShown] = useState<Shown>('all');
  const [page, setPage] = useState(0);
  const [opened, setOpened] = useState<DeliveryRecord | null>(null);
  const params = {
    eid: environmentId,
    max: PAGE,
    startAt: page * PAGE,
    ...(shown === 'all' ? {} : { state: shown }),
  };
  const [moving, setMoving] = useState(false);
  const list = useApi('findDeliveries', params, { keep: true, refetchInterval: moving ? WHILE_WAITING_MS : false });
  const waiting = list.data?.deliveries.some((each) => each.state === 'waiting') === true;
  if (waiting !== moving) setMoving(waiting);
  const { replay, replaying } = useReplay(environmentId);
  const columns = useColumns({ onOpen: setOpened, onReplay: (ids) => void replay(ids) });
  return (
    <Stack gap="sm" component="section" aria-label={t.title} mt="md">
      <Group justify="space-between">
        <div>
          <Title order={2} size="h4">
            {t.title}
          </Title>
          <Text size="sm" c="dimmed">
            {t.lead}
          </Text>
        </div>
        <Group gap="xs">
          <SegmentedControl
            size="xs"
            aria-label={t.state}
            data={STATES.map((each) => ({ value: each, label: t.states[each] }))}
            value={shown}
            onChange={(next) => {
              setShown(next as Shown);
              setPage(0);
            }}
          />
          <Button size="xs" variant="default" leftSection={<IconRefresh size={14} />} loading={list.isFetching && !moving} onClick={() => void list.refetch()}>
            {t.refresh}
          </Button>
          {list.data?.deliveries.some((each) => each.state === 'dead') === true && (
            <Button size="xs" variant="light" loading={replaying} onClick={() => void replay()}>
              {t.replayAll}
            </Button>
          )}
        </Group>
      </Group>
      {list.isPending && <Loading rows={3} />}
      {list.error && <Failure error={list.error} onRetry={() => void list.refetch()} />}
      {list.data?.deliveries.length === 0 && (
        <EmptyState icon={IconMailFast} title={t.emptyTitle} text={shown === 'all' ? t.emptyText : t.emptyState} />
      )}
      {list.data !== undefined && list.data.deliveries.length > 0 && (
        <DataTable
          label={t.title}
          columns={columns}
          rows={list.data.deliveries}
          rowKey={(row) => row.id}
          faded={list.isPlaceholderData}
          paging={{ page, size: PAGE, total: list.data.count, onPage: setPage }}
        />
      )}
      <DetailsDrawer environmentId={environmentId} record={opened} onClose={() => setOpened(null)} />
    </Stack>
  );
}

function useReplay(environmentId: string) {
  const t = useTexts().applications.deliveries;
  const notify = useNotify();
  const change = useApiChange('replayDeliveries', { changes: ['findDeliveries'] });
  const replay = async (ids?: string[]) => {
    try {
      const { count } = await change.mutateAsync({ params: { eid: environmentId }, body: ids === undefined ? {} : { ids } });
      notify.success(t.replayed(count));
    } catch (error) {
      notify.failure(error);
    }
  };
  return { replay, replaying: change.isPending };
}

interface RowActions {
  onOpen: (record: DeliveryRecord) => void;
  onReplay: (ids: string[]) => void;
}

const COLOURS = { waiting: 'yellow', delivered: 'teal', dead: 'red' } as const;

function useColumns({ onOpen, onReplay }: RowActions): readonly Column<DeliveryRecord>[] {
  const t = useTexts().applications.deliveries;
  return [
    { key: 'when', title: t.when, render: (row) => <Ago time={row.whenSent ?? row.whenCreated} />, width: 130 },
    { key: 'kind', title: t.kind, render: (row) => t.kinds[row.kind], width: 100 },
    {
      key: 'features',
      title: t.features,
      render: (row) => (
        <Text size="sm" lineClamp={1} span>
          {row.test ? t.test : row.featureKeys.length === 0 ? t.whole : row.featureKeys.join(', ')}
        </Text>
      ),
    },
    {
      key: 'state',
      title: t.state,
      width: 110,
      render: (row) => (
        <Badge color={COLOURS[row.state]} variant="light" radius="sm" tt="none">
          {t.states[row.state]}
        </Badge>
      ),
    },
    { key: 'status', title: t.status, render: (row) => answerOf(row, t), width: 110 },
    { key: 'attempts', title: t.attempts, render: (row) => row.attempts, width: 90, align: 'right' },
    {
      key: 'actions',
      title: t.details,
      bare: true,
      width: 200,
      align: 'right',
      render: (row) => (
        <Group gap={4} justify="flex-end" wrap="nowrap">
          {row.state === 'dead' && (
            <Button size="compact-xs" variant="subtle" leftSection={<IconSend size={12} />} onClick={() => onReplay([row.id])}>
              {t.replay}
            </Button>
          )}
          {row.whenSent !== undefined && (
            <Button size="compact-xs" variant="subtle" onClick={() => onOpen(row)}>
              {t.details}
            </Button>
          )}
        </Group>
      ),
    },
  ];
}

function answerOf(row: DeliveryRecord, t: ReturnType<typeof useTexts>['applications']['deliveries']): string {
  if (row.whenSent === undefined) return t.notYet;
  return row.status === undefined || row.status === 0 ? t.unreachable : String(row.status);
}

interface DetailsDrawerProps {
  environmentId: string;
  record: DeliveryRecord | null;
  onClose: () => void;
}

function DetailsDrawer({ environmentId, record, onClose }: DetailsDrawerProps) {
  const t = useTexts();
  return (
    <Drawer
      opened={record !== null}
      onClose={onClose}
      position="right"
      size="lg"
      title={t.applications.deliveries.details}
      closeButtonProps={{ 'aria-label': t.common.close }}
    >
      {record !== null && <DeliveryDetails environmentId={environmentId} id={record.id} />}
    </Drawer>
  );
}
