import { Anchor, Badge, Button, Group, Text, Tooltip } from '@mantine/core';
import { IconFilter, IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useApi } from '@/api/hooks';
import type { SearchFeatureFilterItem } from '@/api/schema';
import { AppLink, useSearchParam } from '@/app/navigate';
import { usePlace } from '@/app/place';
import { useMe } from '@/app/session';
import { type Column, DataTable, EmptyState, Failure, Loading, NothingFound, Page, SearchBox } from '@/kit';
import { ItemMenu } from '@/kit/ItemMenu';
import { useAuditEntry } from '@/kit/useAuditEntry';
import { useTexts } from '@/texts';
import { DeleteFilter, FilterForm } from './FilterDialogs';
import { mayWriteFilters } from './writers';

type Asked = { what: 'form'; filter?: SearchFeatureFilterItem } | { what: 'delete'; filter: SearchFeatureFilterItem } | null;

const PAGE = 20;

/** The labels of the portfolio's features, and what uses them. */
export default function FiltersPage() {
  const t = useTexts().portfolios.filters;
  const me = useMe();
  const { portfolio } = usePlace();
  const [search, setSearch] = useSearchParam('q');
  const [asked, setAsked] = useState<Asked>(null);
  if (portfolio === undefined) return <Loading />;
  const writer = mayWriteFilters(me, portfolio.id);
  const create = writer && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setAsked({ what: 'form' })}>
      {t.create}
    </Button>
  );
  const close = () => setAsked(null);
  return (
    <Page
      title={t.title}
      lead={t.lead}
      actions={
        <>
          <SearchBox value={search} onChange={setSearch} aria-label={t.search} />
          {create}
        </>
      }
    >
      <Filters
        key={`${portfolio.id} ${search}`}
        portfolioId={portfolio.id}
        search={search}
        onSearch={setSearch}
        writer={writer}
        create={create}
        onAsk={setAsked}
      />
      <FilterForm
        opened={asked?.what === 'form'}
        onClose={close}
        portfolioId={portfolio.id}
        {...(asked?.what === 'form' && asked.filter ? { filter: asked.filter } : {})}
      />
      {asked?.what === 'delete' && <DeleteFilter portfolioId={portfolio.id} filter={asked.filter} onClose={close} />}
    </Page>
  );
}

interface FiltersProps {
  portfolioId: string;
  search: string;
  onSearch: (text: string) => void;
  writer: boolean;
  create: React.ReactNode;
  onAsk: (asked: Asked) => void;
}

function Filters({ portfolioId, search, onSearch, writer, create, onAsk }: FiltersProps) {
  const t = useTexts().portfolios.filters;
  const [page, setPage] = useState(0);
  const list = useApi(
    'findFeatureFilters',
    { id: portfolioId, filter: search, max: PAGE, page, includeDetails: true, sortOrder: 'ASC' },
    { keep: true },
  );
  const columns = useColumns(writer, onAsk);
  if (list.isPending) return <Loading />;
  if (list.error) return <Failure error={list.error} onRetry={() => void list.refetch()} />;
  const { filters, pagination } = list.data;
  if (pagination.total === 0) {
    if (search !== '') return <NothingFound text={search} onClear={() => onSearch('')} />;
    return <EmptyState icon={IconFilter} title={t.emptyTitle} text={t.emptyText} action={create} />;
  }
  return (
    <DataTable
      label={t.title}
      columns={columns}
      rows={filters}
      rowKey={(filter) => filter.id}
      faded={list.isPlaceholderData}
      paging={{ page, size: PAGE, total: pagination.total, onPage: setPage }}
    />
  );
}

function useColumns(writer: boolean, onAsk: (asked: Asked) => void): readonly Column<SearchFeatureFilterItem>[] {
  const t = useTexts();
  const words = t.portfolios.filters;
  const audit = useAuditEntry();
  return useMemo(
    () => [
      {
        key: 'name',
        title: t.common.name,
        render: (filter) => (
          <div>
            <Text fw={600} size="sm">
              {filter.name}
            </Text>
            <Text size="xs" c="dimmed" lineClamp={2}>
              {filter.description}
            </Text>
          </div>
        ),
      },
      { key: 'features', title: words.usedBy, render: (filter) => <Uses filter={filter} />, width: '30%' },
      { key: 'accounts', title: words.accounts, render: (filter) => <Accounts filter={filter} />, width: '25%' },
      { key: 'author', title: words.author, render: (filter) => filter.whoCreated?.name, width: 140 },
      {
        key: 'actions',
        title: t.common.actions,
        bare: true,
        align: 'right',
        width: 60,
        render: (filter) => (
          <ItemMenu
            label={words.menu(filter.name)}
            entries={[
              writer && { label: words.edit, icon: IconPencil, onClick: () => onAsk({ what: 'form', filter }) },
              audit(filter.id),
              writer && { label: t.common.delete, icon: IconTrash, onClick: () => onAsk({ what: 'delete', filter }), danger: true },
            ]}
          />
        ),
      },
    ],
    [t, words, audit, writer, onAsk],
  );
}

function Uses({ filter }: { filter: SearchFeatureFilterItem }) {
  const t = useTexts().portfolios.filters;
  const used = (filter.applications ?? []).filter((each) => (each.features?.length ?? 0) > 0);
  if (used.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.unused}
      </Text>
    );
  }
  return (
    <Group gap={6}>
      {used.map((application) => (
        <Tooltip key={application.id} label={(application.features ?? []).map((each) => each.key).join(', ')} multiline maw={360}>
          <Anchor
            component={AppLink}
            to="/feature-dashboard"
            search={{ application: application.id, filter: filter.id }}
            size="sm"
          >
            {application.name}: {t.features(application.features?.length ?? 0)}
          </Anchor>
        </Tooltip>
      ))}
    </Group>
  );
}

function Accounts({ filter }: { filter: SearchFeatureFilterItem }) {
  const t = useTexts().portfolios.filters;
  const accounts = filter.serviceAccounts ?? [];
  if (accounts.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.unused}
      </Text>
    );
  }
  return (
    <Group gap={4}>
      {accounts.map((account) => (
        <Badge key={account.id} variant="light" color="gray" radius="sm" tt="none">
          {account.name}
        </Badge>
      ))}
    </Group>
  );
}
