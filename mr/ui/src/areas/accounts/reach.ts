/**
 * Which features an account receives: all, those with one of its filters, or none at all. Pure.
 *
 * "None at all" is an account that was given filters and has none left; only an administrator's word makes it
 * receive everything again, so it must never be said by the way.
 */
import type { ServiceAccount } from '@/api/schema';

export type Reach = 'everything' | 'filtered' | 'nothing';

export interface ReachDraft {
  reach: Reach;
  filters: readonly string[];
}

export function reachOf(account: Pick<ServiceAccount, 'restricted' | 'featureFilters'> | undefined): ReachDraft {
  const filters = account?.featureFilters ?? [];
  if (filters.length > 0) return { reach: 'filtered', filters };
  return { reach: account?.restricted === true ? 'nothing' : 'everything', filters: [] };
}

/** What to send; undefined leaves filters as they are stored. */
export function filtersToSend(stored: ReachDraft, wanted: ReachDraft): string[] | undefined {
  if (wanted.reach === 'nothing') return undefined;
  if (wanted.reach === 'everything') return stored.reach === 'everything' ? undefined : [];
  const same = stored.filters.length === wanted.filters.length && stored.filters.every((id) => wanted.filters.includes(id));
  return same ? undefined : [...wanted.filters];
}

export function isComplete(wanted: ReachDraft): boolean {
  return wanted.reach !== 'filtered' || wanted.filters.length > 0;
}
