import { Button, Group, Stack, TextInput } from '@mantine/core';
import { IconHistory, IconKey } from '@tabler/icons-react';
import { type FormEvent, useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import { faultOf, hasStatus } from '@/api/problem';
import type { Person } from '@/api/schema';
import { AppLink, Redirect, useGo, usePathParam } from '@/app/navigate';
import { useMe } from '@/app/session';
import { Failure, Loading, Page, useNotify } from '@/kit';
import { UnsavedGuard } from '@/kit/UnsavedGuard';
import { useTexts } from '@/texts';
import { useAudits } from './audits';
import { GroupPicker } from './GroupPicker';
import { sameGroups } from './groups';
import { ResetPassword } from './ResetPassword';

/** Edit somebody: name, address, groups; reset their password. */
export default function ManageUser() {
  const t = useTexts();
  const me = useMe();
  const audits = useAudits();
  const id = usePathParam('id');
  const person = useApi('getPerson', { id, includeGroups: true });
  const [resetting, setResetting] = useState(false);
  const name = person.data?.name ?? person.data?.email ?? '';
  // The audit, from which links lead here, does not tell people from accounts for scripts.
  if (person.data?.personType === 'serviceAccount') return <Redirect to={`/edit-admin-service-account/${id}`} />;
  const actions = (
    <>
      {audits(id).map(({ label, search }) => (
        <Button
          key={label}
          component={AppLink}
          to="/audit"
          search={search}
          variant="default"
          leftSection={<IconHistory size={16} />}
        >
          {label}
        </Button>
      ))}
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
  const [first] = useState(() => ({
    name: person.name ?? '',
    email: person.email ?? '',
    groups: person.groups.map((group) => group.id),
  }));
  const [name, setName] = useState(first.name);
  const [email, setEmail] = useState(first.email);
  const [groups, setGroups] = useState(first.groups);
  const save = useApiChange('updatePersonV2', { changes: ['findPeople', 'getPerson', 'findGroups'] });
  const edited = name !== first.name || email !== first.email || !sameGroups(groups, first.groups);
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
      <UnsavedGuard unsaved={edited && !save.isPending && !save.isSuccess} />
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
