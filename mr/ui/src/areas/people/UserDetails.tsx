import { Anchor, Badge, List, Modal, Stack, Table, Text } from '@mantine/core';
import { useApi } from '@/api/hooks';
import type { Person } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { usePlace } from '@/app/place';
import type { ReactNode } from 'react';
import { Ago, Failure, Loading } from '@/kit';
import { useTexts } from '@/texts';
import { STATUS_COLORS, type Status } from './status';

interface UserDetailsProps {
  opened: boolean;
  onClose: () => void;
  id: string;
  status: Status;
}

/** What is known of somebody, with their groups by portfolio. */
export function UserDetails({ opened, onClose, id, status }: UserDetailsProps) {
  const t = useTexts();
  const person = useApi('getPerson', { id, includeGroups: true }, { enabled: opened });
  return (
    <Modal opened={opened} onClose={onClose} title={person.data?.name ?? t.people.details} size="lg" closeButtonProps={{ 'aria-label': t.common.close }}>
      <Failure error={person.error} onRetry={() => void person.refetch()} />
      {person.isPending && <Loading rows={4} />}
      {person.data && (
        <Stack>
          <Table variant="vertical" withRowBorders={false}>
            <Table.Tbody>
              <Row name={t.people.email}>{person.data.email}</Row>
              <Row name={t.people.status}>
                <Badge variant="light" color={STATUS_COLORS[status]}>
                  {t.people.statuses[status]}
                </Badge>
              </Row>
              <Row name={t.people.lastSignIn}>
                <Ago time={person.data.whenLastAuthenticated} />
              </Row>
              <Row name={t.people.lastSeen}>
                <Ago time={person.data.whenLastSeen} />
              </Row>
              <Row name={t.people.groups}>
                <Groups person={person.data} />
              </Row>
            </Table.Tbody>
          </Table>
          <Anchor component={AppLink} to={`/manage-user/${id}`} size="sm">
            {t.common.edit}
          </Anchor>
        </Stack>
      )}
    </Modal>
  );
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <Table.Tr>
      <Table.Th w={160}>{name}</Table.Th>
      <Table.Td>{children}</Table.Td>
    </Table.Tr>
  );
}

function Groups({ person }: { person: Person }) {
  const t = useTexts();
  const { portfolios } = usePlace();
  if (person.groups.length === 0) return <Text size="sm">{t.people.groupsNone}</Text>;
  const nameOf = (id: string | undefined) =>
    id === undefined ? t.people.organizationGroup : portfolios.find((each) => each.id === id)?.name;
  return (
    <List size="sm" listStyleType="none">
      {person.groups.map((group) => (
        <List.Item key={group.id}>
          {[nameOf(group.portfolioId), group.name].filter(Boolean).join(' · ')}
        </List.Item>
      ))}
    </List>
  );
}
