import { Button, Group, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { faultOf } from '@/api/problem';
import { AppLink } from '@/app/navigate';
import { Failure } from '@/kit';
import { useTexts } from '@/texts';
import { GroupPicker } from './GroupPicker';

interface AccountFormProps {
  name: string;
  groups: readonly string[];
  submitLabel: string;
  busy: boolean;
  error: unknown;
  onSubmit: (name: string, groups: string[]) => void;
}

/** Name and groups of an admin service account. */
export function AccountForm(props: AccountFormProps) {
  const t = useTexts();
  const [name, setName] = useState(props.name);
  const [groups, setGroups] = useState<string[]>([...props.groups]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    props.onSubmit(name.trim(), groups);
  };
  return (
    <form onSubmit={submit} noValidate>
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
