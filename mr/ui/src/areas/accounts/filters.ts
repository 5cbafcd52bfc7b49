import { useMemo } from 'react';
import type { SearchFeatureFilterItem } from '@/api/schema';
import { useAllFilters } from '../portfolios/allFilters';

export interface FilterNames {
  loading: boolean;
  all: readonly SearchFeatureFilterItem[];
  /** Names of the filters that an account has. */
  ofAccount: (accountId: string) => readonly string[];
}

/** The portfolio's filters with who uses them. */
export function useFilterNames(portfolioId: string): FilterNames {
  const query = useAllFilters(portfolioId);
  return useMemo(() => {
    const all = query.data ?? [];
    const byAccount = new Map<string, string[]>();
    for (const filter of all) {
      for (const account of filter.serviceAccounts ?? []) {
        byAccount.set(account.id, [...(byAccount.get(account.id) ?? []), filter.name]);
      }
    }
    return { loading: query.isPending, all, ofAccount: (id) => byAccount.get(id) ?? [] };
  }, [query.data, query.isPending]);
}
