import { Anchor, Checkbox, Group as Row, Pill, ScrollArea, Stack, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import type { Group, SearchPerson } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { Failure, FormDialog, Loading, SearchBox, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { GROUP_LISTS } from './GroupDialogs';

const MOST_SHOWN = 50;

type Chosen = ReadonlyMap<string, SearchPerson>;

interface AddMembersProps {
  opened: boolean;
  onClose: () => void;
  group: Group;
}

/** Finds people and admin service accounts who are not members yet, and adds several at once. */
export function AddMembers({ opened, onClose, group }: AddMembersProps) {
  const t = useTexts().groups;
  const notify = useNotify();
  const [chosen, setChosen] = useState<Chosen>(new Map());
  const add = useApiChange('addPersonsToGroup', { changes: GROUP_LISTS });
  useEffect(() => {
    if (opened) setChosen(new Map());
  }, [opened]);
  const toggle = (person: SearchPerson) => {
    const next = new Map(chosen);
    if (!next.delete(person.id)) next.set(person.id, person);
    setChosen(next);
  };
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={t.addTitle(group.name)}
      submitLabel={t.addSelected(chosen.size)}
      incomplete={chosen.size === 0}
      onSubmit={async () => {
        await add.mutateAsync({ params: { gid: group.id, personId: [...chosen.keys()] } });
        notify.success(t.added(chosen.size, group.name));
      }}
    >
      {() => <Candidates group={group} chosen={chosen} onToggle={toggle} />}
    </FormDialog>
  );
}

interface CandidatesProps {
  group: Group;
  chosen: Chosen;
  onToggle: (person: SearchPerson) => void;
}

function Candidates({ group, chosen, onToggle }: CandidatesProps) {
  const t = useTexts().groups;
  const [search, setSearch] = useState('');
  const found = useApi(
    'findPeople',
    {
      filter: search,
      pageSize: MOST_SHOWN,
      countGroups: true,
      order: 'ASC',
      sortBy: 'name',
      personTypes: ['person', 'serviceAccount'],
    },
    { keep: true },
  );
  const members = new Set(group.simpleMembers.map((each) => each.id));
  const people = (found.data?.summarisedPeople ?? []).filter((each) => !members.has(each.id));
  return (
    <Stack gap="sm">
      <SearchBox data-autofocus w="100%" value={search} onChange={setSearch} aria-label={t.addSearch} placeholder={t.addSearch} />
      <Row gap={6}>
        {[...chosen.values()].map((person) => (
          <Pill key={person.id} withRemoveButton onRemove={() => onToggle(person)} removeButtonProps={{ 'aria-label': t.remove(person.name) }}>
            {person.name}
          </Pill>
        ))}
      </Row>
      {found.isPending && <Loading rows={3} />}
      <Failure error={found.error} />
      <ScrollArea.Autosize mah={280} type="auto">
        <Stack gap={6} role="group" aria-label={t.addHint}>
          {people.map((person) => (
            <Checkbox
              key={person.id}
              checked={chosen.has(person.id)}
              onChange={() => onToggle(person)}
              label={person.name}
              description={person.personType === 'person' ? person.email : t.types[person.personType]}
            />
          ))}
        </Stack>
      </ScrollArea.Autosize>
      {found.data !== undefined && people.length === 0 && (
        <Text size="sm" c="dimmed">
          {t.addNobody}
        </Text>
      )}
      <Anchor component={AppLink} to="/create-user" size="sm">
        {t.invite}
      </Anchor>
    </Stack>
  );
}
