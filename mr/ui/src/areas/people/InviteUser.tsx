import { Button, Group, Paper, Stack, Text, TextInput, Title } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { useApiChange } from '@/api/hooks';
import { faultOf, hasStatus } from '@/api/problem';
import type { RegistrationUrl } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { CopyField, Failure, Page } from '@/kit';
import { UnsavedGuard } from '@/kit/UnsavedGuard';
import { useTexts } from '@/texts';
import { GroupPicker } from './GroupPicker';

/** Invite one person; the link is shown once. */
export default function InviteUser() {
  const t = useTexts();
  const [made, setMade] = useState<{ email: string; registration: RegistrationUrl } | null>(null);
  return (
    <Page
      title={t.people.inviteTitle}
      lead={t.people.inviteLead}
      breadcrumbs={[{ label: t.people.users, to: '/users' }]}
    >
      {made === null ? (
        <InviteForm onMade={(email, registration) => setMade({ email, registration })} />
      ) : (
        <Paper withBorder p="lg" maw={640}>
          <Stack>
            <Title order={2} size="h4">
              {t.people.inviteReady(made.email)}
            </Title>
            <Text size="sm">{t.people.linkText}</Text>
            <CopyField value={made.registration.registrationUrl ?? ''} label={t.people.link} />
            <Group>
              <Button onClick={() => setMade(null)}>{t.people.inviteAnother}</Button>
              <Button component={AppLink} to="/users" variant="default">
                {t.people.toUsers}
              </Button>
            </Group>
          </Stack>
        </Paper>
      )}
    </Page>
  );
}

function InviteForm({ onMade }: { onMade: (email: string, registration: RegistrationUrl) => void }) {
  const t = useTexts();
  const [email, setEmail] = useState('');
  const [groupIds, setGroups] = useState<string[]>([]);
  const create = useApiChange('createPerson', { changes: ['findPeople', 'findGroups'] });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const address = email.trim();
    create.mutate(
      { params: {}, body: { email: address, personType: 'person', groupIds } },
      { onSuccess: (registration) => onMade(address, registration) },
    );
  };
  const taken = hasStatus(create.error, 409) ? t.people.emailTaken : faultOf(create.error, 'email');
  return (
    <form onSubmit={submit} noValidate>
      <UnsavedGuard unsaved={(email !== '' || groupIds.length > 0) && !create.isPending} />
      <Stack maw={640}>
        {taken === undefined && <Failure error={create.error} />}
        <TextInput
          label={t.people.email}
          type="email"
          autoFocus
          maxLength={100}
          value={email}
          error={taken}
          onChange={(event) => {
            setEmail(event.currentTarget.value);
            create.reset();
          }}
        />
        <GroupPicker value={groupIds} onChange={setGroups} />
        <Group>
          <Button type="submit" loading={create.isPending} disabled={!/^[^@\s]+@[^@\s]+$/.test(email.trim())}>
            {t.people.inviteSubmit}
          </Button>
          <Button component={AppLink} to="/users" variant="default">
            {t.common.cancel}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
