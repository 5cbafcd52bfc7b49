import { useMemo } from 'react';
import { useApi } from '@/api/hooks';
import type { SearchFeatureFilterItem } from '@/api/schema';

const ALL = 100;

export interface FilterNames {
  loading: boolean;
  all: readonly SearchFeatureFilterItem[];
  /** Names of the filters that an account has. */
  ofAccount: (accountId: string) => readonly string[];
}

/** The portfolio's filters with who uses them. */
export function useFilterNames(portfolioId: string): FilterNames {
  const query = useApi('findFeatureFilters', { id: portfolioId, max: ALL, includeDetails: true, sortOrder: 'ASC' });
  return useMemo(() => {
    const all = query.data?.filters ?? [];
    const byAccount = new Map<string, string[]>();
    for (const filter of all) {
      for (const account of filter.serviceAccounts ?? []) {
        byAccount.set(account.id, [...(byAccount.get(account.id) ?? []), filter.name]);
      }
    }
    return { loading: query.isPending, all, ofAccount: (id) => byAccount.get(id) ?? [] };
  }, [query.data, query.isPending]);
}
