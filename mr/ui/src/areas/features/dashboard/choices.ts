/** What somebody chose to see of an application's grid: in the address, at the server, or in this browser. */
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { call } from '@/api/client';
import { useApi } from '@/api/hooks';
import { remember, remembered } from '@/app/memory';
import { useSearchParam } from '@/app/navigate';
import { useMe } from '@/app/session';
import { useNotify } from '@/kit';
import type { FeatureType } from '../model/wire';

export interface Choices {
  types: FeatureType[];
  filters: string[];
  /** Rows of a page; null: all of them in one grid. */
  size: number | null;
  descending: boolean;
}

const NOTHING: Choices = { types: [], filters: [], size: null, descending: false };

/** Remembered in this browser, by person and application: others who sign in here have their own. */
export function useChoices(applicationId: string): [Choices, (next: Choices) => void] {
  const name = `grid-${useMe().id?.id ?? ''}-${applicationId}`;
  const [changed, setChanged] = useState<Record<string, Choices>>({});
  const stored = useMemo(() => readChoices(remembered(name)), [name]);
  const set = useCallback(
    (next: Choices) => {
      remember(name, JSON.stringify(next));
      setChanged((before) => ({ ...before, [name]: next }));
    },
    [name],
  );
  return [changed[name] ?? stored, set];
}

/** A link to the features of a filter (`?filter=`) chooses it, as if by hand. */
export function useLinkedFilter(applicationId: string, choices: Choices, setChoices: (next: Choices) => void): void {
  const [linked, setLinked] = useSearchParam('filter');
  const [application] = useSearchParam('application', applicationId);
  // The application of a link is shown a moment after its address.
  const here = application === applicationId;
  const taken = useRef('');
  useEffect(() => {
    // The address is cleared a moment later: until then the same link must not be followed again.
    if (!here || linked === taken.current) return;
    taken.current = linked;
    if (linked === '') return;
    setChoices({ ...choices, types: [], filters: [linked] });
    setLinked('');
  }, [linked, setLinked, here, choices, setChoices]);
}

function readChoices(text: string | null): Choices {
  if (text === null) return NOTHING;
  try {
    return { ...NOTHING, ...(JSON.parse(text) as Partial<Choices>) };
  } catch {
    // Written by something else; beginning anew is all there is to do.
    return NOTHING;
  }
}

/** The environments that somebody hides, kept by the server: they come along to every browser. */
export function useHidden(
  applicationId: string,
): [ReadonlySet<string>, (hidden: ReadonlySet<string>, all: number) => void] {
  const client = useQueryClient();
  const notify = useNotify();
  const answer = useApi('getHiddenEnvironments', { appId: applicationId });
  const hidden = useMemo(() => new Set(answer.data?.environmentIds ?? []), [answer.data]);
  const set = useCallback(
    (next: ReadonlySet<string>, all: number) => {
      const body = { noneSelected: next.size >= all, environmentIds: [...next] };
      const key = ['getHiddenEnvironments', { appId: applicationId }];
      const before = client.getQueryData(key);
      // An answer that is under way does not know of it.
      void client.cancelQueries({ queryKey: key });
      client.setQueryData(key, body);
      call('saveHiddenEnvironments', { params: { appId: applicationId }, body }).catch((error: unknown) => {
        client.setQueryData(key, before);
        notify.failure(error);
      });
    },
    [client, applicationId, notify],
  );
  return [hidden, set];
}
