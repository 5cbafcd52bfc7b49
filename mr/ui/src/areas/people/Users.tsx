import { Anchor, Badge, Button, Group, Switch, Text } from '@mantine/core';
import { IconUserPlus, IconUsers } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/hooks';
import type { SearchPerson } from '@/api/schema';
import { AppLink, useSearchParam } from '@/app/navigate';
import { Ago, type Column, DataTable, EmptyState, Failure, Loading, NothingFound, Page, SearchBox } from '@/kit';
import { useTexts } from '@/texts';
import { STATUS_COLORS, type Status, statusesOf } from './status';
import { UserActions } from './UserActions';

/** Everybody: found, sorted and paged by the server. */
export default function Users() {
  const t = useTexts();
  const [q, setQ] = useSearchParam('q');
  const [sortBy, setSortBy] = useSearchParam('sort', 'name');
  const [order, setOrder] = useSearchParam('order', 'ASC');
  const [all, setAll] = useSearchParam('deactivated', 'no');
  const [page, setPage] = useState(0);
  const [size, setSize] = useState(20);
  const people = useApi(
    'findPeople',
    {
      filter: q || undefined,
      sortBy: sortBy === 'status' ? 'activationStatus' : 'name',
      order: order === 'DESC' ? 'DESC' : 'ASC',
      startAt: page * size,
      pageSize: size,
      countGroups: true,
      includeLastLoggedIn: true,
      includeDeactivated: all === 'yes',
    },
    { keep: true },
  );
  const invite = (
    <Button component={AppLink} to="/create-user" leftSection={<IconUserPlus size={16} />}>
      {t.people.invite}
    </Button>
  );
  const rows = people.data?.summarisedPeople ?? [];
  const statuses = people.data ? statusesOf(people.data) : new Map<string, Status>();
  const columns = useColumns(statuses);
  return (
    <Page title={t.people.users} lead={t.people.usersLead} actions={invite}>
      <Group justify="space-between">
        <SearchBox
          value={q}
          onChange={(text) => {
            setPage(0);
            setQ(text);
          }}
        />
        <Switch
          label={t.people.showDeactivated}
          checked={all === 'yes'}
          onChange={(event) => {
            setPage(0);
            setAll(event.currentTarget.checked ? 'yes' : 'no');
          }}
        />
      </Group>
      <Failure error={people.error} onRetry={() => void people.refetch()} />
      {people.isPending && <Loading />}
      {people.data && rows.length === 0 && q !== '' && <NothingFound text={q} onClear={() => setQ('')} />}
      {people.data && rows.length === 0 && q === '' && (
        <EmptyState icon={IconUsers} title={t.people.emptyTitle} text={t.people.emptyText} action={invite} />
      )}
      {people.data && rows.length > 0 && (
        <DataTable
          label={t.people.users}
          columns={columns}
          rows={rows}
          rowKey={(person) => person.id}
          sort={{ key: sortBy, descending: order === 'DESC' }}
          onSort={(sort) => {
            setPage(0);
            setSortBy(sort.key);
            setOrder(sort.descending ? 'DESC' : 'ASC');
          }}
          paging={{ page, size, total: people.data.max, onPage: setPage, onSize: setSize }}
          faded={people.isPlaceholderData}
        />
      )}
    </Page>
  );
}

function useColumns(statuses: ReadonlyMap<string, Status>): Column<SearchPerson>[] {
  const t = useTexts();
  return [
    { key: 'name', title: t.people.name, sortable: true, render: (person) => <Name person={person} /> },
    {
      key: 'status',
      title: t.people.status,
      sortable: true,
      render: ({ id }) => {
        const status = statuses.get(id) ?? 'active';
        return (
          <Badge variant="light" color={STATUS_COLORS[status]}>
            {t.people.statuses[status]}
          </Badge>
        );
      },
    },
    { key: 'groups', title: t.people.groups, align: 'right', render: (person) => person.groupCount },
    { key: 'signIn', title: t.people.lastSignIn, render: (person) => <Ago time={person.whenLastAuthenticated} /> },
    {
      key: 'actions',
      title: t.common.actions,
      bare: true,
      align: 'right',
      render: (person) => <UserActions person={person} status={statuses.get(person.id) ?? 'active'} />,
    },
  ];
}

function Name({ person }: { person: SearchPerson }) {
  const t = useTexts();
  return (
    <>
      <Anchor component={AppLink} to={`/manage-user/${person.id}`} fw={500} size="sm">
        {person.name || person.email}
      </Anchor>
      <Text size="xs" c="dimmed">
        {person.name ? person.email : t.people.notNamed}
      </Text>
    </>
  );
}
