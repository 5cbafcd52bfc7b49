import { Anchor, Badge, Button, Group, Text } from '@mantine/core';
import { IconPencil, IconPlus, IconTargetArrow, IconTrash } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import type { Application, ListApplicationRolloutStrategyItem as Item } from '@/api/schema';
import { AppLink, useSearchParam } from '@/app/navigate';
import { usePlace } from '@/app/place';
import { useMe } from '@/app/session';
import { Ago, type Column, ConfirmDialog, DataTable, EmptyState, Failure, Loading, NothingFound, Page, SearchBox, useNotify } from '@/kit';
import { ApplicationSelect, ForApplication } from '@/kit/ForApplication';
import { ItemMenu } from '@/kit/ItemMenu';
import { useAuditEntry } from '@/kit/useAuditEntry';
import { useTexts } from '@/texts';
import { strategyWords } from '../features/strategies';
import { draftOf } from './body';
import { type StrategyRights, strategyRights } from './rights';
import { STRATEGY_LISTS, usedBy } from './usage';

const PAGE = 20;

/** The strategies that features of an application share. */
export default function StrategiesPage() {
  const t = useTexts().strategies;
  const [search, setSearch] = useSearchParam('q');
  return (
    <Page
      title={t.title}
      lead={t.lead}
      actions={
        <>
          <SearchBox w={220} value={search} onChange={setSearch} aria-label={t.search} />
          <ApplicationSelect />
          <ForCreators />
        </>
      }
    >
      <ForApplication>
        {(application) => (
          <Strategies key={`${application.id} ${search}`} application={application} search={search} onSearch={setSearch} />
        )}
      </ForApplication>
    </Page>
  );
}

function ForCreators() {
  const me = useMe();
  const { application } = usePlace();
  if (application === undefined || !strategyRights(me, application).create) return null;
  return <CreateButton />;
}

function CreateButton() {
  const t = useTexts().strategies;
  return (
    <Button component={AppLink} to="/create-application-strategy" leftSection={<IconPlus size={16} />}>
      {t.create}
    </Button>
  );
}

interface StrategiesProps {
  application: Application;
  search: string;
  onSearch: (text: string) => void;
}

function Strategies({ application, search, onSearch }: StrategiesProps) {
  const t = useTexts().strategies;
  const rights = strategyRights(useMe(), application);
  const [page, setPage] = useState(0);
  const [deleting, setDeleting] = useState<Item | null>(null);
  const list = useApi(
    'listApplicationStrategies',
    { appId: application.id, filter: search, max: PAGE, page, includeUsage: true, includeWhoChanged: true, sortOrder: 'ASC' },
    { keep: true },
  );
  const columns = useColumns(rights, setDeleting);
  if (list.isPending) return <Loading />;
  if (list.error) return <Failure error={list.error} onRetry={() => void list.refetch()} />;
  if (list.data.max === 0) {
    if (search !== '') return <NothingFound text={search} onClear={() => onSearch('')} />;
    return (
      <EmptyState
        icon={IconTargetArrow}
        title={t.emptyTitle}
        text={rights.create ? t.emptyText : `${t.emptyText} ${t.emptyReader}`}
        action={rights.create && <CreateButton />}
      />
    );
  }
  return (
    <>
      <DataTable
        label={t.title}
        columns={columns}
        rows={list.data.items}
        rowKey={(item) => item.strategy.id}
        faded={list.isPlaceholderData}
        paging={{ page, size: PAGE, total: list.data.max, onPage: setPage }}
      />
      {deleting !== null && <DeleteStrategy application={application} item={deleting} onClose={() => setDeleting(null)} />}
    </>
  );
}

function useColumns(rights: StrategyRights, onDelete: (item: Item) => void): readonly Column<Item>[] {
  const t = useTexts();
  const words = t.strategies;
  const audit = useAuditEntry();
  return useMemo(
    () => [
      {
        key: 'name',
        title: words.name,
        render: ({ strategy }) => (
          <Anchor component={AppLink} to="/edit-application-strategy" search={{ strategy: strategy.id }} fw={600} size="sm">
            {strategy.name}
          </Anchor>
        ),
      },
      {
        key: 'reach',
        title: words.reach,
        width: '34%',
        render: ({ strategy }) => <Text size="sm">{strategyWords(t.features.strategy, draftOf(strategy))}</Text>,
      },
      { key: 'usage', title: words.usage, width: '22%', render: (item) => <Usage item={item} /> },
      {
        key: 'updated',
        title: words.updated,
        width: 160,
        render: ({ whenUpdated, updatedBy }) => (
          <>
            <Ago time={whenUpdated} />
            <Text size="xs" c="dimmed">
              {updatedBy?.name !== undefined && words.by(updatedBy.name)}
            </Text>
          </>
        ),
      },
      { key: 'created', title: words.whenCreated, width: 130, render: ({ whenCreated }) => <Ago time={whenCreated} /> },
      {
        key: 'actions',
        title: t.common.actions,
        bare: true,
        align: 'right',
        width: 60,
        render: (item) => (
          <ItemMenu
            label={words.menu(item.strategy.name)}
            entries={[
              rights.edit && {
                label: t.common.edit,
                icon: IconPencil,
                to: '/edit-application-strategy',
                search: { strategy: item.strategy.id },
              },
              audit(item.strategy.id),
              rights.remove && { label: t.common.delete, icon: IconTrash, onClick: () => onDelete(item), danger: true },
            ]}
          />
        ),
      },
    ],
    [t, words, audit, rights.edit, rights.remove, onDelete],
  );
}

function Usage({ item }: { item: Item }) {
  const t = useTexts().strategies;
  const used = (item.usage ?? []).filter((each) => each.featuresCount > 0);
  if (used.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.unused}
      </Text>
    );
  }
  return (
    <Group gap={4}>
      {used.map((each) => (
        <Badge key={each.id} variant="light" color="gray" radius="sm" tt="none" fw={500}>
          {t.usedIn(each.name, each.featuresCount)}
        </Badge>
      ))}
    </Group>
  );
}

interface DeleteStrategyProps {
  application: Application;
  item: Item;
  onClose: () => void;
}

function DeleteStrategy({ application, item, onClose }: DeleteStrategyProps) {
  const t = useTexts();
  const words = t.strategies;
  const notify = useNotify();
  const remove = useApiChange('deleteApplicationStrategy', { changes: STRATEGY_LISTS });
  const uses = usedBy(item);
  const { id, name } = item.strategy;
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={words.deleteTitle(name)}
      confirmLabel={t.common.delete}
      onConfirm={async () => {
        await remove.mutateAsync({ params: { appId: application.id, appStrategyId: id } });
        notify.success(words.deleted(name));
      }}
      {...(uses > 0 ? { typed: name } : {})}
    >
      <Text size="sm">{words.deleteText}</Text>
      {uses > 0 && (
        <Text size="sm" fw={600}>
          {words.deleteUses(uses)}
        </Text>
      )}
    </ConfirmDialog>
  );
}
