/**
 * Loads what the grid shows.
 *
 * The first screenful comes first. Up to `WHOLE` features then follow in portions and are searched here, at each
 * letter. Larger applications are searched and paged by the server.
 */
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useDebouncedValue } from '@mantine/hooks';
import { useDeferredValue, useMemo } from 'react';
import { asking } from '@/api/hooks';
import type { Params } from '@/api/client';
import { applicationRoles } from '@/app/permissions';
import { useMe } from '@/app/session';
import type { Application } from '@/api/schema';
import { TABLE } from '../model/saving';
import type { Choices } from './choices';
import type { Table } from '../model/wire';
import { gridData, type GridEnvironment, type GridFeature, search } from './table';
import { loadPage, loadWhole, portionOf } from './whole';

export const WHOLE = 2000;
const FIRST = 60;
const PAGE = 200;

export interface GridState {
  /** Of this page, found by the search. */
  features: readonly GridFeature[];
  environments: readonly GridEnvironment[];
  /** How many the search found on all pages. */
  found: number;
  total: number;
  pages: number;
  size: number;
  /** The server pages: not everything can be shown at once. */
  remote: boolean;
  loading: boolean;
  refreshing: boolean;
  /** The rest is still on its way. */
  partial: boolean;
  error: Error | null;
  retry: () => void;
}

export function useGrid(application: Application, choices: Choices, text: string, page: number): GridState {
  const { answer, remote, size, total } = useAnswer(application.id, choices, text, page);
  const me = useMe();
  const data = useMemo(() => {
    if (answer.data === undefined) return null;
    const roles = applicationRoles(me, application.id, application.portfolioId);
    return gridData(answer.data, application.environments, [...roles]);
  }, [answer.data, application, me]);

  const words = useDeferredValue(text);
  const types = useMemo(() => new Set<string>(choices.types), [choices.types]);
  const matching = useMemo(
    () => (data === null ? [] : remote ? data.features : search(data.features, words, types)),
    [data, remote, words, types],
  );
  const found = remote ? (data?.total ?? 0) : matching.length;
  const features = useMemo(
    () => (remote || choices.size === null ? matching : matching.slice(page * size, (page + 1) * size)),
    [matching, remote, choices.size, page, size],
  );
  return {
    features,
    environments: data?.environments ?? [],
    found,
    total,
    pages: Math.max(1, Math.ceil(found / size)),
    size,
    remote,
    loading: answer.isPending,
    refreshing: answer.isPlaceholderData,
    partial: !remote && (answer.data?.features.length ?? 0) < total,
    error: answer.error,
    retry: () => void answer.refetch(),
  };
}

/** The best answer there is so far: the first screenful, then all of it, or a page of what is too much. */
function useAnswer(applicationId: string, choices: Choices, text: string, page: number) {
  const client = useQueryClient();
  const common = {
    id: applicationId,
    sortOrder: choices.descending ? 'DESC' : 'ASC',
    ...(choices.filters.length > 0 ? { featureFilter: choices.filters } : {}),
  } as const;
  const all = { ...common, max: WHOLE };
  const held = client.getQueryData<Table>([TABLE, all]);
  const here = held !== undefined;
  const first = useTable({ ...common, max: FIRST }, !here);
  const count = first.isPlaceholderData ? 0 : (first.data?.maxFeatures ?? 0);
  const portion = portionOf((held ?? first.data)?.environments.length ?? 0);
  const whole = useTable(all, here || (count > FIRST && count <= WHOLE), ({ signal }) => loadWhole(all, portion, signal));
  const remote = !here && count > WHOLE;
  const size = choices.size ?? (remote ? PAGE : WHOLE);
  const [sent] = useDebouncedValue(text.trim(), 250);
  const paged = useTable(
    {
      ...common,
      max: size,
      page,
      ...(sent === '' ? {} : { filter: sent }),
      ...(choices.types.length > 0 ? { featureTypes: choices.types } : {}),
    },
    remote,
  );
  const complete = whole.data !== undefined && !whole.isPlaceholderData;
  const answer = remote ? paged : complete ? whole : first;
  const total = (remote ? first.data : answer.data)?.maxFeatures ?? 0;
  return { answer, remote, size, total };
}

type Load = (context: { signal: AbortSignal }) => Promise<Table>;

function useTable(params: Params<typeof TABLE>, enabled: boolean, load?: Load) {
  return useQuery({
    ...asking(TABLE, params),
    queryFn: load ?? (({ signal }) => loadPage(params, signal)),
    enabled,
    placeholderData: (before) => (before?.applicationId === params.id ? before : undefined),
    // Comparing ten thousand values with those before, to keep the same objects, takes longer than it saves.
    structuralSharing: false,
    // Values that change while the grid is shown are put in one by one; nobody did that while it was not.
    refetchOnMount: 'always',
    refetchOnWindowFocus: false,
  });
}
