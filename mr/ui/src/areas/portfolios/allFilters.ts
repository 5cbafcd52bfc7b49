import { type UseQueryResult, useQuery } from '@tanstack/react-query';
import { call } from '@/api/client';
import type { SearchFeatureFilterItem } from '@/api/schema';

/** The most that the server gives at once. */
const PAGE = 100;

/** All filters of a portfolio with what uses them, however many there are: to choose from, and to count. */
export function useAllFilters(portfolioId: string): UseQueryResult<SearchFeatureFilterItem[], Error> {
  return useQuery({
    queryKey: ['findFeatureFilters', { id: portfolioId, pages: 'all' }],
    queryFn: async ({ signal }) => {
      const found: SearchFeatureFilterItem[] = [];
      for (let page = 0; ; page += 1) {
        const params = { id: portfolioId, max: PAGE, page, includeDetails: true, sortOrder: 'ASC' } as const;
        const { filters, pagination } = await call('findFeatureFilters', { params }, { signal });
        found.push(...filters);
        if (filters.length === 0 || found.length >= pagination.total) return found;
      }
    },
  });
}
