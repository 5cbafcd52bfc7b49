import { ActionIcon, Checkbox, Menu, Text } from '@mantine/core';
import { IconDots, IconKey, IconLink, IconPencil, IconUserCheck, IconUserOff, IconUserSearch } from '@tabler/icons-react';
import { useState } from 'react';
import { useApiChange } from '@/api/hooks';
import type { SearchPerson } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { isSuperuser } from '@/app/permissions';
import { useMe } from '@/app/session';
import { ConfirmDialog, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { AuditItems } from './AuditItems';
import { RenewLink } from './RenewLink';
import { ResetPassword } from './ResetPassword';
import type { Status } from './status';
import { UserDetails } from './UserDetails';

type Open = 'details' | 'link' | 'password' | 'deactivate' | null;

/** What can be done with somebody, by where they stand and by who asks. */
export function UserActions({ person, status }: { person: SearchPerson; status: Status }) {
  const t = useTexts();
  const me = useMe();
  const notify = useNotify();
  const [open, setOpen] = useState<Open>(null);
  const activate = useApiChange('updatePersonV2', { changes: ['findPeople', 'getPerson'] });
  const name = person.name || person.email;
  const oneself = person.id === me.id?.id;
  const waiting = status === 'invited' || status === 'expired';
  const close = () => setOpen(null);
  const activateNow = () =>
    activate
      .mutateAsync({ params: { id: person.id }, body: { version: person.version, unarchive: true } })
      .then(() => notify.success(t.people.activated(name)), notify.failure);
  return (
    <>
      <Menu position="bottom-end" width={250}>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={t.people.actionsOf(name)}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconUserSearch size={16} />} onClick={() => setOpen('details')}>
            {t.people.details}
          </Menu.Item>
          <Menu.Item leftSection={<IconPencil size={16} />} component={AppLink} to={`/manage-user/${person.id}`}>
            {t.common.edit}
          </Menu.Item>
          {waiting && (
            <Menu.Item leftSection={<IconLink size={16} />} onClick={() => setOpen('link')}>
              {t.people.renewLink}
            </Menu.Item>
          )}
          {status === 'active' && !oneself && (
            <Menu.Item leftSection={<IconKey size={16} />} onClick={() => setOpen('password')}>
              {t.people.resetPassword}
            </Menu.Item>
          )}
          <AuditItems id={person.id} />
          {status === 'deactivated' && (
            <Menu.Item leftSection={<IconUserCheck size={16} />} onClick={() => void activateNow()}>
              {t.people.activate}
            </Menu.Item>
          )}
          {status !== 'deactivated' && isSuperuser(me) && !oneself && (
            <Menu.Item leftSection={<IconUserOff size={16} />} color="red" onClick={() => setOpen('deactivate')}>
              {t.people.deactivate}
            </Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      <UserDetails opened={open === 'details'} onClose={close} id={person.id} status={status} />
      <RenewLink opened={open === 'link'} onClose={close} email={person.email} />
      <ResetPassword opened={open === 'password'} onClose={close} id={person.id} name={name} />
      <Deactivate opened={open === 'deactivate'} onClose={close} id={person.id} name={name} />
    </>
  );
}

interface DeactivateProps {
  opened: boolean;
  onClose: () => void;
  id: string;
  name: string;
}

function Deactivate({ opened, onClose, id, name }: DeactivateProps) {
  const t = useTexts();
  const notify = useNotify();
  const [groups, setGroups] = useState(false);
  const remove = useApiChange('deletePerson', { changes: ['findPeople', 'getPerson', 'findGroups'] });
  return (
    <ConfirmDialog
      opened={opened}
      onClose={onClose}
      title={t.people.deactivateTitle(name)}
      confirmLabel={t.people.deactivate}
      onConfirm={async () => {
        await remove.mutateAsync({ params: { id, includeGroups: groups } });
        notify.success(t.people.deactivated(name));
      }}
    >
      <Text size="sm">{t.people.deactivateText}</Text>
      <Checkbox
        mt="sm"
        label={t.people.deactivateGroups}
        checked={groups}
        onChange={(event) => setGroups(event.currentTarget.checked)}
      />
    </ConfirmDialog>
  );
}
