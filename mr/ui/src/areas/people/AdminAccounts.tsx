import { ActionIcon, Anchor, Button, Menu, Text } from '@mantine/core';
import { IconDots, IconPencil, IconPlus, IconRefresh, IconRobot, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import type { SearchPerson } from '@/api/schema';
import { AppLink, useSearchParam } from '@/app/navigate';
import { isSuperuser } from '@/app/permissions';
import { useMe } from '@/app/session';
import {
  Ago,
  type Column,
  ConfirmDialog,
  DataTable,
  EmptyState,
  Failure,
  Loading,
  NothingFound,
  Page,
  SearchBox,
  useNotify,
} from '@/kit';
import { useTexts } from '@/texts';
import { AuditItems } from './AuditItems';
import { TokenDialog } from './TokenDialog';

/** Accounts for scripts. */
export default function AdminAccounts() {
  const t = useTexts();
  const [q, setQ] = useSearchParam('q');
  const [page, setPage] = useState(0);
  const [size, setSize] = useState(20);
  const accounts = useApi(
    'findPeople',
    {
      filter: q || undefined,
      personTypes: ['serviceAccount'],
      countGroups: true,
      includeLastLoggedIn: true,
      order: 'ASC',
      startAt: page * size,
      pageSize: size,
    },
    { keep: true },
  );
  const create = (
    <Button component={AppLink} to="/create-admin-api-key" leftSection={<IconPlus size={16} />}>
      {t.people.createAccount}
    </Button>
  );
  const columns: Column<SearchPerson>[] = [
    {
      key: 'name',
      title: t.people.accountName,
      render: (account) => (
        <Anchor component={AppLink} to={`/edit-admin-service-account/${account.id}`} fw={500} size="sm">
          {account.name}
        </Anchor>
      ),
    },
    { key: 'groups', title: t.people.groups, align: 'right', render: (account) => account.groupCount },
    { key: 'seen', title: t.people.lastSeen, render: (account) => <Ago time={account.whenLastSeen} /> },
    {
      key: 'actions',
      title: t.common.actions,
      bare: true,
      align: 'right',
      render: (account) => <AccountActions account={account} />,
    },
  ];
  const rows = accounts.data?.summarisedPeople ?? [];
  return (
    <Page title={t.people.accounts} lead={t.people.accountsLead} actions={create}>
      <SearchBox
        value={q}
        onChange={(text) => {
          setPage(0);
          setQ(text);
        }}
      />
      <Failure error={accounts.error} onRetry={() => void accounts.refetch()} />
      {accounts.isPending && <Loading />}
      {accounts.data && rows.length === 0 && q !== '' && <NothingFound text={q} onClear={() => setQ('')} />}
      {accounts.data && rows.length === 0 && q === '' && (
        <EmptyState icon={IconRobot} title={t.people.accountsEmptyTitle} text={t.people.accountsEmptyText} action={create} />
      )}
      {accounts.data && rows.length > 0 && (
        <DataTable
          label={t.people.accounts}
          columns={columns}
          rows={rows}
          rowKey={(account) => account.id}
          paging={{ page, size, total: accounts.data.max, onPage: setPage, onSize: setSize }}
          faded={accounts.isPlaceholderData}
        />
      )}
    </Page>
  );
}

function AccountActions({ account }: { account: SearchPerson }) {
  const t = useTexts();
  const me = useMe();
  const notify = useNotify();
  const [open, setOpen] = useState<'reset' | 'delete' | null>(null);
  const [token, setToken] = useState<string | null>(null);
  const reset = useApiChange('resetSecurityToken');
  const remove = useApiChange('deletePerson', { changes: ['findPeople', 'findGroups'] });
  const params = { id: account.id };
  return (
    <>
      <Menu position="bottom-end" width={250}>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={t.people.actionsOf(account.name)}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconPencil size={16} />} component={AppLink} to={`/edit-admin-service-account/${account.id}`}>
            {t.common.edit}
          </Menu.Item>
          <Menu.Item leftSection={<IconRefresh size={16} />} onClick={() => setOpen('reset')}>
            {t.people.resetToken}
          </Menu.Item>
          <AuditItems id={account.id} />
          {isSuperuser(me) && (
            <Menu.Item leftSection={<IconTrash size={16} />} color="red" onClick={() => setOpen('delete')}>
              {t.people.deleteAccount}
            </Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      <ConfirmDialog
        opened={open === 'reset'}
        onClose={() => setOpen(null)}
        title={t.people.resetTokenTitle(account.name)}
        confirmLabel={t.people.resetTokenSubmit}
        onConfirm={async () => setToken((await reset.mutateAsync({ params })).token)}
      >
        <Text size="sm">{t.people.resetTokenText}</Text>
      </ConfirmDialog>
      <ConfirmDialog
        opened={open === 'delete'}
        onClose={() => setOpen(null)}
        title={t.people.deleteAccountTitle(account.name)}
        confirmLabel={t.people.deleteAccount}
        typed={account.name}
        onConfirm={async () => {
          await remove.mutateAsync({ params: { ...params, includeGroups: true } });
          notify.success(t.people.deleted(account.name));
        }}
      >
        <Text size="sm">{t.people.deleteAccountText}</Text>
      </ConfirmDialog>
      <TokenDialog name={account.name} token={token} onClose={() => setToken(null)} />
    </>
  );
}
