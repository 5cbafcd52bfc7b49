/**
 * Loads what the grid shows.
 *
 * Up to `WHOLE` features come in one answer and are searched here, at each letter. Larger applications are
 * searched and paged by the server.
 */
import { useQuery } from '@tanstack/react-query';
import { useDebouncedValue } from '@mantine/hooks';
import { useDeferredValue, useMemo } from 'react';
import { asking } from '@/api/hooks';
import type { Params } from '@/api/client';
import { applicationRoles } from '@/app/permissions';
import { useMe } from '@/app/session';
import type { Application } from '@/api/schema';
import { TABLE } from '../model/saving';
import type { Choices } from './choices';
import { gridData, type GridEnvironment, type GridFeature, search } from './table';

export const WHOLE = 2000;
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
  error: Error | null;
  retry: () => void;
}

export function useGrid(application: Application, choices: Choices, text: string, page: number): GridState {
  const order = choices.descending ? 'DESC' : 'ASC';
  const common = { id: application.id, sortOrder: order, ...(choices.filters.length > 0 ? { featureFilter: choices.filters } : {}) } as const;
  const whole = useTable({ ...common, max: WHOLE }, true);
  const remote = (whole.data?.maxFeatures ?? 0) > WHOLE;
  const size = Math.min(choices.size ?? (remote ? PAGE : WHOLE), remote ? 1000 : WHOLE);
  const [sent] = useDebouncedValue(text.trim(), 250);
  const paged = useTable(
    { ...common, max: size, page, ...(sent === '' ? {} : { filter: sent }), ...(choices.types.length > 0 ? { featureTypes: choices.types } : {}) },
    remote,
  );
  const answer = remote ? paged : whole;
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
    total: whole.data?.maxFeatures ?? 0,
    pages: Math.max(1, Math.ceil(found / size)),
    size,
    remote,
    loading: answer.isPending,
    refreshing: answer.isPlaceholderData,
    error: answer.error,
    retry: () => void answer.refetch(),
  };
}

function useTable(params: Params<typeof TABLE>, enabled: boolean) {
  return useQuery({
    ...asking(TABLE, params),
    enabled,
    placeholderData: (before) => (before?.applicationId === params.id ? before : undefined),
    // Comparing ten thousand values with those before, to keep the same objects, takes longer than it saves.
    structuralSharing: false,
    // Values that change while the grid is shown are put in one by one; nobody did that while it was not.
    refetchOnMount: 'always',
    refetchOnWindowFocus: false,
  });
}
