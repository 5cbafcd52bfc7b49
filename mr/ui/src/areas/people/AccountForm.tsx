import { Button, Group, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { faultOf } from '@/api/problem';
import { AppLink } from '@/app/navigate';
import { Failure } from '@/kit';
import { UnsavedGuard } from '@/kit/UnsavedGuard';
import { useTexts } from '@/texts';
import { GroupPicker } from './GroupPicker';
import { sameGroups } from './groups';

interface AccountFormProps {
  name: string;
  groups: readonly string[];
  submitLabel: string;
  busy: boolean;
  /** What was typed is saved: it may be left. */
  saved: boolean;
  error: unknown;
  onSubmit: (name: string, groups: string[]) => void;
}

/** Name and groups of an admin service account. */
export function AccountForm(props: AccountFormProps) {
  const t = useTexts();
  const [first] = useState({ name: props.name, groups: props.groups });
  const [name, setName] = useState(first.name);
  const [groups, setGroups] = useState<string[]>([...first.groups]);
  const edited = name !== first.name || !sameGroups(groups, first.groups);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    props.onSubmit(name.trim(), groups);
  };
  return (
    <form onSubmit={submit} noValidate>
      <UnsavedGuard unsaved={edited && !props.busy && !props.saved} />
      <Stack maw={640}>
        <Failure error={props.error} />
        <TextInput
          label={t.people.accountName}
          description={t.people.accountNameHint}
          autoFocus
          maxLength={100}
          value={name}
          error={faultOf(props.error, 'name')}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <GroupPicker value={groups} onChange={setGroups} />
        <Group>
          <Button type="submit" loading={props.busy} disabled={name.trim() === ''}>
            {props.submitLabel}
          </Button>
          <Button component={AppLink} to="/admin-service-accounts" variant="default">
            {t.common.cancel}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
