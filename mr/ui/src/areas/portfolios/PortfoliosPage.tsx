import { Anchor, Button, Text } from '@mantine/core';
import { IconBriefcase, IconPencil, IconPlus, IconShieldCheck, IconTrash } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import type { CacheRefreshRequestInput, Portfolio } from '@/api/schema';
import { useGo, useSearchParam } from '@/app/navigate';
import { usePlace } from '@/app/place';
import { Ago, type Column, ConfirmDialog, DataTable, EmptyState, Failure, Loading, NothingFound, Page, SearchBox, useNotify } from '@/kit';
import { ItemMenu } from '@/kit/ItemMenu';
import { useAuditEntry } from '@/kit/useAuditEntry';
import { useTexts } from '@/texts';
import { PORTFOLIO_LISTS, PortfolioForm } from './PortfolioForm';
import { VerifyDialog } from './VerifyDialog';

type Asked =
  | { what: 'form'; portfolio?: Portfolio }
  | { what: 'delete'; portfolio: Portfolio }
  | { what: 'verify'; title: string; request: CacheRefreshRequestInput }
  | null;

/** All portfolios, for superusers. */
export default function PortfoliosPage() {
  const t = useTexts();
  const [search, setSearch] = useSearchParam('q');
  const [asked, setAsked] = useState<Asked>(null);
  const list = useApi('findPortfolios', { order: 'ASC', includeApplications: true, includeGroups: true });
  const columns = useColumns(setAsked);
  const needle = search.trim().toLocaleLowerCase();
  const found = (list.data ?? []).filter((each) =>
    `${each.name} ${each.description ?? ''}`.toLocaleLowerCase().includes(needle),
  );
  const create = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setAsked({ what: 'form' })}>
      {t.portfolios.create}
    </Button>
  );
  return (
    <Page
      title={t.portfolios.title}
      lead={t.portfolios.lead}
      actions={
        <>
          <SearchBox value={search} onChange={setSearch} wait={0} aria-label={t.portfolios.search} />
          <Button
            variant="default"
            leftSection={<IconShieldCheck size={16} />}
            onClick={() =>
              setAsked({ what: 'verify', title: t.portfolios.verifyAllTitle, request: { allTheThings: true } })
            }
          >
            {t.portfolios.verifyAll}
          </Button>
          {create}
        </>
      }
    >
      {list.isPending && <Loading />}
      {list.error && <Failure error={list.error} onRetry={() => void list.refetch()} />}
      {list.data?.length === 0 && (
        <EmptyState icon={IconBriefcase} title={t.portfolios.emptyTitle} text={t.portfolios.emptyText} action={create} />
      )}
      {list.data !== undefined && list.data.length > 0 && found.length === 0 && (
        <NothingFound text={search} onClear={() => setSearch('')} />
      )}
      {found.length > 0 && (
        <DataTable
          label={t.portfolios.title}
          columns={columns}
          rows={found}
          rowKey={(portfolio) => portfolio.id}
          initialSort={{ key: 'name', descending: false }}
        />
      )}
      <Dialogs asked={asked} onClose={() => setAsked(null)} />
    </Page>
  );
}

function Dialogs({ asked, onClose }: { asked: Asked; onClose: () => void }) {
  return (
    <>
      <PortfolioForm
        opened={asked?.what === 'form'}
        onClose={onClose}
        {...(asked?.what === 'form' && asked.portfolio ? { portfolio: asked.portfolio } : {})}
      />
      {asked?.what === 'delete' && <DeletePortfolio portfolio={asked.portfolio} onClose={onClose} />}
      {asked?.what === 'verify' && <VerifyDialog title={asked.title} request={asked.request} onClose={onClose} />}
    </>
  );
}

function useColumns(onAsk: (asked: Asked) => void): readonly Column<Portfolio>[] {
  const t = useTexts();
  const audit = useAuditEntry();
  return useMemo(
    () => [
      {
        key: 'name',
        title: t.common.name,
        value: (portfolio) => portfolio.name,
        render: (portfolio) => <Name portfolio={portfolio} />,
      },
      {
        key: 'applications',
        title: t.portfolios.applications,
        value: (portfolio) => portfolio.applications.length,
        render: (portfolio) => portfolio.applications.length,
        width: 120,
        align: 'right',
      },
      {
        key: 'groups',
        title: t.portfolios.groups,
        value: (portfolio) => portfolio.groups.length,
        render: (portfolio) => portfolio.groups.length,
        width: 100,
        align: 'right',
      },
      {
        key: 'created',
        title: t.portfolios.whenCreated,
        value: (portfolio) => portfolio.whenCreated,
        render: (portfolio) => <Ago time={portfolio.whenCreated} />,
        width: 150,
      },
      {
        key: 'actions',
        title: t.common.actions,
        bare: true,
        align: 'right',
        width: 60,
        render: (portfolio) => (
          <ItemMenu
            label={t.portfolios.menu(portfolio.name)}
            entries={[
              { label: t.portfolios.edit, icon: IconPencil, onClick: () => onAsk({ what: 'form', portfolio }) },
              {
                label: t.portfolios.verify,
                icon: IconShieldCheck,
                onClick: () =>
                  onAsk({
                    what: 'verify',
                    title: t.portfolios.verifyTitle(portfolio.name),
                    request: { portfolioId: [portfolio.id] },
                  }),
              },
              audit(portfolio.id),
              { label: t.common.delete, icon: IconTrash, onClick: () => onAsk({ what: 'delete', portfolio }), danger: true },
            ]}
          />
        ),
      },
    ],
    [t, audit, onAsk],
  );
}

function Name({ portfolio }: { portfolio: Portfolio }) {
  const t = useTexts();
  const go = useGo();
  const { choosePortfolio } = usePlace();
  return (
    <div>
      <Anchor
        component="button"
        type="button"
        fw={600}
        size="sm"
        aria-label={t.portfolios.open(portfolio.name)}
        onClick={() => {
          choosePortfolio(portfolio.id);
          void go('/applications');
        }}
      >
        {portfolio.name}
      </Anchor>
      <Text size="xs" c="dimmed" lineClamp={2}>
        {portfolio.description}
      </Text>
    </div>
  );
}

function DeletePortfolio({ portfolio, onClose }: { portfolio: Portfolio; onClose: () => void }) {
  const t = useTexts();
  const notify = useNotify();
  const remove = useApiChange('deletePortfolio', { changes: PORTFOLIO_LISTS, deletes: portfolio.id });
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={t.portfolios.deleteTitle(portfolio.name)}
      confirmLabel={t.common.delete}
      typed={portfolio.name}
      onConfirm={async () => {
        await remove.mutateAsync({ params: { id: portfolio.id } });
        notify.success(t.portfolios.deleted(portfolio.name));
      }}
    >
      <Text size="sm">{t.portfolios.deleteText}</Text>
    </ConfirmDialog>
  );
}
