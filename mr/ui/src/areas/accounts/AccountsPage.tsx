import { Anchor, Badge, Button, Group, Stack, Text } from '@mantine/core';
import { IconKey, IconPencil, IconPlus, IconRefreshAlert, IconRobot, IconTrash } from '@tabler/icons-react';
import { useEffect, useMemo, useState } from 'react';
import { useApi } from '@/api/hooks';
import type { Application, ResetKeyType, ServiceAccount } from './wire';
import { AppLink, useSearchParam } from '@/app/navigate';
import { usePlace } from '@/app/place';
import { type Column, DataTable, EmptyState, Failure, Loading, NothingFound, Page, SearchBox } from '@/kit';
import { ItemMenu } from '@/kit/ItemMenu';
import { useAuditEntry } from '@/kit/useAuditEntry';
import { WARNING } from '@/kit/ProductionMark';
import { useTexts } from '@/texts';
import { AccountForm } from './AccountForm';
import { DeleteAccount, ResetKey } from './AccountDialogs';
import { type FilterNames, useFilterNames } from './filters';

type Asked =
  | { what: 'form'; account?: ServiceAccount }
  | { what: 'delete'; account: ServiceAccount }
  | { what: 'reset'; account: ServiceAccount; key: ResetKeyType }
  | null;

/** The identities of programs in the portfolio. */
export default function AccountsPage() {
  const t = useTexts();
  const { portfolio } = usePlace();
  const [search, setSearch] = useSearchParam('q');
  const [create, setCreate] = useSearchParam('create');
  const [asked, setAsked] = useState<Asked>(null);
  useEffect(() => {
    if (create === '') return;
    setAsked({ what: 'form' });
    setCreate('');
  }, [create, setCreate]);
  if (portfolio === undefined) return <Loading />;
  const button = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setAsked({ what: 'form' })}>
      {t.accounts.create}
    </Button>
  );
  const close = () => setAsked(null);
  return (
    <Page
      title={t.accounts.title}
      lead={t.accounts.lead(portfolio.name)}
      actions={
        <>
          <SearchBox value={search} onChange={setSearch} wait={0} aria-label={t.accounts.search} />
          {button}
        </>
      }
    >
      <Accounts key={portfolio.id} portfolioId={portfolio.id} search={search} onSearch={setSearch} create={button} onAsk={setAsked} />
      <AccountForm
        opened={asked?.what === 'form'}
        onClose={close}
        portfolioId={portfolio.id}
        {...(asked?.what === 'form' && asked.account ? { accountId: asked.account.id } : {})}
      />
      {asked?.what === 'delete' && <DeleteAccount account={asked.account} onClose={close} />}
      {asked?.what === 'reset' && <ResetKey account={asked.account} which={asked.key} onClose={close} />}
    </Page>
  );
}

interface AccountsProps {
  portfolioId: string;
  search: string;
  onSearch: (text: string) => void;
  create: React.ReactNode;
  onAsk: (asked: Asked) => void;
}

function Accounts({ portfolioId, search, onSearch, create, onAsk }: AccountsProps) {
  const t = useTexts();
  const { applications } = usePlace();
  const filters = useFilterNames(portfolioId);
  const accounts = useApi('searchServiceAccountsInPortfolio', { id: portfolioId, includePermissions: true });
  const columns = useColumns(filters, applications, onAsk);
  if (accounts.isPending) return <Loading />;
  if (accounts.error) return <Failure error={accounts.error} onRetry={() => void accounts.refetch()} />;
  if (accounts.data.length === 0) {
    return <EmptyState icon={IconRobot} title={t.accounts.emptyTitle} text={t.accounts.emptyText} action={create} />;
  }
  const needle = search.trim().toLocaleLowerCase();
  const found = accounts.data.filter((each) =>
    `${each.name} ${each.description ?? ''}`.toLocaleLowerCase().includes(needle),
  );
  if (found.length === 0) return <NothingFound text={search} onClear={() => onSearch('')} />;
  return (
    <DataTable
      label={t.accounts.title}
      columns={columns}
      rows={found}
      rowKey={(account) => account.id}
      initialSort={{ key: 'name', descending: false }}
    />
  );
}

function useColumns(
  filters: FilterNames,
  applications: readonly Application[],
  onAsk: (asked: Asked) => void,
): readonly Column<ServiceAccount>[] {
  const t = useTexts();
  const audit = useAuditEntry();
  return useMemo(
    () => [
      {
        key: 'name',
        title: t.common.name,
        value: (account) => account.name,
        render: (account) => (
          <div>
            <Anchor component="button" type="button" fw={600} size="sm" onClick={() => onAsk({ what: 'form', account })}>
              {account.name}
            </Anchor>
            <Text size="xs" c="dimmed" lineClamp={2}>
              {account.description}
            </Text>
          </div>
        ),
      },
      {
        key: 'receives',
        title: t.accounts.receives,
        width: '28%',
        render: (account) => <Receives account={account} filters={filters} />,
      },
      {
        key: 'access',
        title: t.accounts.access,
        width: '30%',
        render: (account) => <Access account={account} applications={applications} />,
      },
      {
        key: 'actions',
        title: t.common.actions,
        bare: true,
        align: 'right',
        width: 60,
        render: (account) => (
          <ItemMenu label={t.accounts.menu(account.name)} entries={[...entriesOf(account, applications, onAsk, t), audit(account.id)]} />
        ),
      },
    ],
    [t, audit, filters, applications, onAsk],
  );
}

/** More would make the menu longer than a screen; the settings' own choice leads to the others. */
const MOST_APPLICATIONS = 8;

function entriesOf(
  account: ServiceAccount,
  applications: readonly Application[],
  onAsk: (asked: Asked) => void,
  t: ReturnType<typeof useTexts>,
) {
  return [
    { label: t.accounts.edit, icon: IconPencil, onClick: () => onAsk({ what: 'form', account }) },
    ...applications.slice(0, MOST_APPLICATIONS).map((application) => ({
      label: `${t.accounts.permissions} ${application.name}`,
      icon: IconKey,
      to: '/app-settings/accounts',
      search: { application: application.id, account: account.id },
    })),
    ...(applications.length > MOST_APPLICATIONS
      ? [
          {
            label: t.accounts.permissionsElsewhere(applications.length - MOST_APPLICATIONS),
            icon: IconKey,
            to: '/app-settings/accounts',
            search: { account: account.id },
          },
        ]
      : []),
    {
      label: t.accounts.resetClient,
      icon: IconRefreshAlert,
      onClick: () => onAsk({ what: 'reset', account, key: 'client_eval_only' }),
    },
    {
      label: t.accounts.resetServer,
      icon: IconRefreshAlert,
      onClick: () => onAsk({ what: 'reset', account, key: 'server_eval_only' }),
    },
    { label: t.common.delete, icon: IconTrash, onClick: () => onAsk({ what: 'delete', account }), danger: true },
  ] as const;
}

/** In which environments of which application, with the way to the permissions. */
function Access({ account, applications }: { account: ServiceAccount; applications: readonly Application[] }) {
  const t = useTexts();
  const held = new Set(account.permissions.filter((each) => each.permissions.length > 0).map((each) => each.environmentId));
  const found = applications
    .map((application) => ({ application, count: application.environments.filter((each) => held.has(each.id)).length }))
    .filter(({ count }) => count > 0);
  if (found.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.accounts.noAccess}
      </Text>
    );
  }
  return (
    <Stack gap={2}>
      {found.map(({ application, count }) => (
        <Anchor
          key={application.id}
          component={AppLink}
          to="/app-settings/accounts"
          search={{ application: application.id, account: account.id }}
          size="sm"
        >
          {t.accounts.accessIn(application.name, count)}
        </Anchor>
      ))}
    </Stack>
  );
}

function Receives({ account, filters }: { account: ServiceAccount; filters: FilterNames }) {
  const t = useTexts();
  const names = filters.ofAccount(account.id);
  if (names.length > 0) {
    return (
      <Group gap={4}>
        {names.map((name) => (
          <Badge key={name} variant="light" radius="sm" tt="none">
            {name}
          </Badge>
        ))}
      </Group>
    );
  }
  // Until the filters are known, an account with some would look like one without.
  if (account.restricted === true && filters.loading) return null;
  if (account.restricted === true) {
    return (
      <Badge color="orange" variant="light" radius="sm" tt="none" style={WARNING}>
        {t.accounts.nothing}
      </Badge>
    );
  }
  return (
    <Text size="sm" c="dimmed">
      {t.accounts.everythingShort}
    </Text>
  );
}
