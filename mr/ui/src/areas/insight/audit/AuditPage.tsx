/** Who did what to what, and when: searched by person, object, place and time, the newest first. */
import { Button, Group, Text } from '@mantine/core';
import { IconZoomCode } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { call } from '@/api/client';
import { EmptyState, Failure, Loading, Page } from '@/kit';
import { useTexts } from '@/texts';
import { EntryTable } from './EntryTable';
import { FilterBar } from './FilterBar';
import { NAMES, useFilters, wanted } from './filters';

const AT_ONCE = 50;

export default function AuditPage() {
  const t = useTexts();
  const words = t.insight.audit;
  const [filters, change] = useFilters();
  const params = { ...wanted(filters), max: AT_ONCE };
  const found = useInfiniteQuery({
    queryKey: ['findAuditEntries', params, 'pages'],
    queryFn: ({ pageParam, signal }) =>
      call('findAuditEntries', { params: { ...params, ...(pageParam === 0 ? {} : { before: pageParam }) } }, { signal }),
    initialPageParam: 0,
    getNextPageParam: (page) => page.next,
    placeholderData: (before) => before,
  });
  const entries = found.data?.pages.flatMap((page) => page.entries) ?? [];
  const clear = () => change(Object.fromEntries(NAMES.map((name) => [name, undefined])));
  const filtered = Object.keys(filters).length > 0;
  return (
    <Page title={words.title} lead={words.lead}>
      <FilterBar filters={filters} onChange={change} entries={entries} onClear={filtered ? clear : undefined} />
      {found.error !== null && <Failure error={found.error} onRetry={() => void found.refetch()} />}
      {found.isPending && <Loading />}
      {found.data !== undefined && entries.length === 0 && (
        <EmptyState
          icon={IconZoomCode}
          title={filtered ? words.nothingTitle : words.emptyTitle}
          text={filtered ? words.nothingText : words.emptyText}
          action={filtered && <Button onClick={clear}>{words.clear}</Button>}
        />
      )}
      {entries.length > 0 && (
        <>
          <EntryTable entries={entries} faded={found.isPlaceholderData} onFilter={change} />
          <Group justify="center">
            {found.hasNextPage ? (
              <Button variant="default" loading={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
                {words.older}
              </Button>
            ) : (
              <Text size="sm" c="dimmed">
                {words.noOlder}
              </Text>
            )}
          </Group>
        </>
      )}
    </Page>
  );
}
