import { ActionIcon, Alert, Badge, Button, Group as Row, Stack, Text, Title, Tooltip } from '@mantine/core';
import { IconKey, IconPencil, IconShieldStar, IconTrash, IconUserMinus, IconUserOff, IconUserPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import type { AnemicPerson, Group } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { type Column, ConfirmDialog, DataTable, EmptyState, Failure, Loading, useNotify } from '@/kit';
import { ItemMenu } from '@/kit/ItemMenu';
import { useAuditEntry } from '@/kit/useAuditEntry';
import { useTexts } from '@/texts';
import { AddMembers } from './AddMembers';
import { DeleteGroup, GROUP_LISTS, GroupForm } from './GroupDialogs';

/** A group to be renamed is kept as it was: the form must not move under somebody's hands. */
type Asked = 'delete' | 'add' | { rename: Group } | { remove: AnemicPerson } | null;

/** One group: its members, and what can be done with it. */
export function GroupDetails({ groupId, portfolioId }: { groupId: string; portfolioId: string }) {
  const t = useTexts();
  const [asked, setAsked] = useState<Asked>(null);
  const query = useApi('getGroup', { gid: groupId, includeMembersV2: true });
  if (query.isPending) return <Loading />;
  if (query.error) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  const group = query.data;
  const close = () => setAsked(null);
  return (
    <Stack gap="md">
      <Heading group={group} onAsk={setAsked} />
      {group.admin === true && (
        <Alert color="sea" icon={<IconShieldStar />}>
          {t.groups.adminText}
        </Alert>
      )}
      {group.simpleMembers.length === 0 ? (
        <EmptyState
          icon={IconUserOff}
          title={t.groups.noMembersTitle}
          text={t.groups.noMembersText}
          action={<Button onClick={() => setAsked('add')}>{t.groups.add}</Button>}
        />
      ) : (
        <Members group={group} onRemove={(person) => setAsked({ remove: person })} />
      )}
      {isAbout(asked, 'rename') && <GroupForm opened onClose={close} portfolioId={portfolioId} group={asked.rename} />}
      <AddMembers opened={asked === 'add'} onClose={close} group={group} />
      {asked === 'delete' && <DeleteGroup group={group} onClose={close} />}
      {isAbout(asked, 'remove') && <RemoveMember group={group} person={asked.remove} onClose={close} />}
    </Stack>
  );
}

function isAbout<Name extends 'rename' | 'remove'>(asked: Asked, name: Name): asked is Extract<Asked, Record<Name, unknown>> {
  return typeof asked === 'object' && asked !== null && name in asked;
}

function Heading({ group, onAsk }: { group: Group; onAsk: (asked: Asked) => void }) {
  const t = useTexts();
  const audit = useAuditEntry();
  return (
    <Row justify="space-between" align="flex-start">
      <div>
        <Title order={2} size="h3" style={{ overflowWrap: 'anywhere' }}>
          {group.name}
        </Title>
        <Text size="sm" c="dimmed">
          {t.groups.members(group.simpleMembers.length)}
        </Text>
      </div>
      <Row gap="xs">
        {group.admin !== true && (
          <Button
            variant="default"
            leftSection={<IconKey size={16} />}
            component={AppLink}
            to="/app-settings/groups"
            search={{ group: group.id }}
          >
            {t.groups.permissions}
          </Button>
        )}
        <Button leftSection={<IconUserPlus size={16} />} onClick={() => onAsk('add')}>
          {t.groups.add}
        </Button>
        <ItemMenu
          label={t.groups.menu(group.name)}
          entries={[
            { label: t.groups.rename, icon: IconPencil, onClick: () => onAsk({ rename: group }) },
            audit(group.id),
            // The server keeps the administrators of a portfolio.
            group.admin !== true && { label: t.common.delete, icon: IconTrash, onClick: () => onAsk('delete'), danger: true },
          ]}
        />
      </Row>
    </Row>
  );
}

function Members({ group, onRemove }: { group: Group; onRemove: (person: AnemicPerson) => void }) {
  const t = useTexts();
  const stays = (person: AnemicPerson) => group.admin === true && group.superMembers.includes(person.id);
  const columns: readonly Column<AnemicPerson>[] = [
    {
      key: 'name',
      title: t.groups.name,
      value: (person) => person.name,
      render: (person) => (
        <Row gap="xs">
          {person.name}
          {group.superMembers.includes(person.id) && (
            <Badge size="xs" variant="light" radius="sm" tt="none">
              {t.groups.superuser}
            </Badge>
          )}
        </Row>
      ),
    },
    { key: 'email', title: t.groups.email, value: (person) => person.email, render: (person) => person.email },
    {
      key: 'type',
      title: t.groups.type,
      value: (person) => t.groups.types[person.type],
      render: (person) => t.groups.types[person.type],
      width: 200,
    },
    {
      key: 'remove',
      title: t.common.actions,
      bare: true,
      width: 60,
      align: 'right',
      render: (person) =>
        stays(person) ? (
          <Tooltip label={t.groups.superuserStays}>
            <ActionIcon variant="subtle" color="gray" data-disabled aria-disabled aria-label={t.groups.superuserStays}>
              <IconUserMinus size={16} />
            </ActionIcon>
          </Tooltip>
        ) : (
          <ActionIcon variant="subtle" color="gray" aria-label={t.groups.remove(person.name)} onClick={() => onRemove(person)}>
            <IconUserMinus size={16} />
          </ActionIcon>
        ),
    },
  ];
  return (
    <DataTable
      label={t.groups.members(group.simpleMembers.length)}
      columns={columns}
      rows={group.simpleMembers}
      rowKey={(person) => person.id}
      initialSort={{ key: 'name', descending: false }}
    />
  );
}

interface RemoveMemberProps {
  group: Group;
  person: AnemicPerson;
  onClose: () => void;
}

function RemoveMember({ group, person, onClose }: RemoveMemberProps) {
  const t = useTexts();
  const notify = useNotify();
  const remove = useApiChange('deletePersonFromGroup', { changes: GROUP_LISTS });
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={t.groups.removeTitle(person.name, group.name)}
      confirmLabel={t.groups.remove(person.name)}
      onConfirm={async () => {
        await remove.mutateAsync({ params: { gid: group.id, pId: person.id } });
        notify.success(t.groups.removed(person.name, group.name));
      }}
    >
      <Text size="sm">{t.groups.removeText}</Text>
    </ConfirmDialog>
  );
}
