import { Button, Group, Stack, TextInput } from '@mantine/core';
import { IconHistory, IconKey } from '@tabler/icons-react';
import { type FormEvent, useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import { faultOf, hasStatus } from '@/api/problem';
import type { Person } from '@/api/schema';
import { AppLink, useGo, usePathParam } from '@/app/navigate';
import { useMe } from '@/app/session';
import { Failure, Loading, Page, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { GroupPicker } from './GroupPicker';
import { ResetPassword } from './ResetPassword';

/** Edit somebody: name, address, groups; reset their password. */
export default function ManageUser() {
  const t = useTexts();
  const me = useMe();
  const id = usePathParam('id');
  const person = useApi('getPerson', { id, includeGroups: true });
  const [resetting, setResetting] = useState(false);
  const name = person.data?.name ?? person.data?.email ?? '';
  const actions = (
    <>
      <Button component={AppLink} to="/audit" search={{ actor: id }} variant="default" leftSection={<IconHistory size={16} />}>
        {t.people.history}
      </Button>
      {me.id?.id !== id && person.data?.whenArchived === undefined && (
        <Button variant="default" leftSection={<IconKey size={16} />} onClick={() => setResetting(true)}>
          {t.people.resetPassword}
        </Button>
      )}
    </>
  );
  return (
    <Page
      title={t.people.manageTitle(name)}
      breadcrumbs={[{ label: t.people.users, to: '/users' }]}
      actions={person.data && actions}
    >
      <Failure error={person.error} onRetry={() => void person.refetch()} />
      {person.isPending && <Loading />}
      {/* Not keyed by version: what was typed stays when somebody else saves. */}
      {person.data && <EditForm key={id} id={id} person={person.data} reload={() => void person.refetch()} />}
      <ResetPassword opened={resetting} onClose={() => setResetting(false)} id={id} name={name} />
    </Page>
  );
}

function EditForm({ id, person, reload }: { id: string; person: Person; reload: () => void }) {
  const t = useTexts();
  const go = useGo();
  const notify = useNotify();
  const [name, setName] = useState(person.name ?? '');
  const [email, setEmail] = useState(person.email ?? '');
  const [groups, setGroups] = useState(person.groups.map((group) => group.id));
  const save = useApiChange('updatePersonV2', { changes: ['findPeople', 'getPerson', 'findGroups'] });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const body = { version: person.version ?? 0, name: name.trim() || undefined, email: email.trim(), groups };
    save.mutate(
      { params: { id }, body },
      {
        onSuccess() {
          notify.success(t.people.manageSaved(name || email));
          void go('/users');
        },
      },
    );
  };
  const taken = hasStatus(save.error, 409) ? t.people.emailTaken : faultOf(save.error, 'email');
  return (
    <form onSubmit={submit} noValidate>
      <Stack maw={640}>
        {taken === undefined && (
          <Failure error={save.error} {...(hasStatus(save.error, 422) ? { onRetry: reload } : {})} />
        )}
        <TextInput
          label={t.people.name}
          maxLength={150}
          value={name}
          error={faultOf(save.error, 'name')}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput
          label={t.people.email}
          type="email"
          maxLength={100}
          value={email}
          error={taken}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <GroupPicker value={groups} onChange={setGroups} />
        <Group>
          <Button type="submit" loading={save.isPending} disabled={email.trim() === ''}>
            {t.common.save}
          </Button>
          <Button component={AppLink} to="/users" variant="default">
            {t.common.cancel}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
