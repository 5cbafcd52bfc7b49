import { Group, Loader, Text } from '@mantine/core';
import { IconCircleCheck, IconCloudUpload } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { call } from '@/api/client';
import type { ChangeProgress } from '@/api/schema';
import { useTexts } from '@/texts';

const LOOK_MS = 400;
/** Whoever has not got it by then is cut off or very slow; the audit and the metrics tell more. */
const LONGEST_MS = 30_000;

export interface Propagated {
  change: ChangeProgress | null;
  /** Still worth looking. */
  going: boolean;
}

/**
 * Follow the latest change of an environment on its way to SDKs. `savedAt`: when it was saved here
 * (`Date.now()`), null while there is nothing to follow.
 */
export function usePropagation(environmentId: string, savedAt: number | null): Propagated {
  const found = useQuery({
    queryKey: ['showPropagation', { environmentId, max: 1 }, savedAt],
    enabled: savedAt !== null,
    queryFn: async ({ signal }) => {
      const record = await call('showPropagation', { params: { environmentId, max: 1 } }, { signal });
      return record.changes[0] ?? null;
    },
    retry: false,
    staleTime: 0,
    refetchInterval: (query) => (query.state.data?.settled || isOver(savedAt) ? false : LOOK_MS),
  });
  const change = found.data ?? null;
  return { change, going: savedAt !== null && change?.settled !== true && found.error === null && !isOver(savedAt) };
}

function isOver(savedAt: number | null): boolean {
  return savedAt === null || Date.now() - savedAt > LONGEST_MS;
}

/** "Live on 2 of 2 Edges, 40 of 40 streams, slowest 31 ms", ticking in after a save. Nothing before one. */
export function Propagation({ environmentId, savedAt }: { environmentId: string; savedAt: number | null }) {
  const t = useTexts().insight.propagation;
  const { change, going } = usePropagation(environmentId, savedAt);
  if (savedAt === null) return null;
  return (
    <Group gap={6} wrap="nowrap" role="status" aria-live="polite" data-testid="propagation">
      <Sign settled={change?.settled === true} going={going} />
      <Text size="sm">{change === null ? t.waiting : words(change, going, t)}</Text>
    </Group>
  );
}

function Sign({ settled, going }: { settled: boolean; going: boolean }) {
  if (settled) return <IconCircleCheck size={16} color="var(--mantine-color-teal-6)" aria-hidden />;
  if (going) return <Loader size={14} aria-hidden />;
  return <IconCloudUpload size={16} aria-hidden />;
}

interface Words {
  noEdges: string;
  late: string;
  live: (edges: string, streams: string, slowest: number | undefined) => string;
  edges: (live: number, total: number) => string;
  streams: (reached: number, total: number) => string;
}

function words(change: ChangeProgress, going: boolean, t: Words): string {
  if (change.edges.total === 0) return t.noEdges;
  const told = t.live(
    t.edges(change.edges.live, change.edges.total),
    t.streams(change.streams.reached, change.streams.total),
    change.slowestMilliseconds,
  );
  return change.settled || going ? told : `${told} ${t.late}`;
}
