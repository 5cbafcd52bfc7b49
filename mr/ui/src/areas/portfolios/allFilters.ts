import { type UseQueryResult, useQuery } from '@tanstack/react-query';
import { call } from '@/api/client';
import type { SearchFeatureFilterItem } from '@/api/schema';

/** The most that the server gives at once. */
const PAGE = 100;

interface Choices {
  /** With what uses them, to count; without, to choose from. */
  includeDetails?: boolean;
  staleTime?: number;
}

/** All filters of a portfolio, however many there are. */
export function useAllFilters(
  portfolioId: string,
  { includeDetails = true, staleTime }: Choices = {},
): UseQueryResult<SearchFeatureFilterItem[], Error> {
  return useQuery({
    queryKey: ['findFeatureFilters', { id: portfolioId, includeDetails, pages: 'all' }],
    ...(staleTime === undefined ? {} : { staleTime }),
    queryFn: async ({ signal }) => {
      const found: SearchFeatureFilterItem[] = [];
      for (let page = 0; ; page += 1) {
        const params = { id: portfolioId, max: PAGE, page, includeDetails, sortOrder: 'ASC' } as const;
        const { filters, pagination } = await call('findFeatureFilters', { params }, { signal });
        found.push(...filters);
        if (filters.length === 0 || found.length >= pagination.total) return found;
      }
    },
  });
}
