import { Button, Grid, NavLink, Stack } from '@mantine/core';
import { IconPlus, IconShieldStar, IconUsersGroup } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/hooks';
import type { Group } from '@/api/schema';
import { useSearchParam } from '@/app/navigate';
import { usePlace } from '@/app/place';
import { EmptyState, Failure, Loading, NothingFound, Page, SearchBox } from '@/kit';
import { useTexts } from '@/texts';
import { GroupDetails } from './GroupDetails';
import { GroupForm } from './GroupDialogs';

/** The groups of the portfolio, and who is in them. */
export default function GroupsPage() {
  const t = useTexts();
  const { portfolio } = usePlace();
  const [search, setSearch] = useSearchParam('q');
  const [creating, setCreating] = useState(false);
  const [wanted, setWanted] = useSearchParam('group');
  if (portfolio === undefined) return <Loading />;
  const button = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
      {t.groups.create}
    </Button>
  );
  return (
    <Page
      title={t.groups.title}
      lead={t.groups.lead(portfolio.name)}
      actions={
        <>
          <SearchBox value={search} onChange={setSearch} wait={0} aria-label={t.groups.search} />
          {button}
        </>
      }
    >
      <Groups
        key={portfolio.id}
        portfolioId={portfolio.id}
        search={search}
        onSearch={setSearch}
        wanted={wanted}
        onChoose={setWanted}
      />
      <GroupForm opened={creating} onClose={() => setCreating(false)} portfolioId={portfolio.id} onCreated={setWanted} />
    </Page>
  );
}

interface GroupsProps {
  portfolioId: string;
  search: string;
  onSearch: (text: string) => void;
  wanted: string;
  onChoose: (id: string) => void;
}

function Groups({ portfolioId, search, onSearch, wanted, onChoose }: GroupsProps) {
  const t = useTexts().groups;
  const groups = useApi('findGroups', { id: portfolioId, order: 'ASC' });
  if (groups.isPending) return <Loading />;
  if (groups.error) return <Failure error={groups.error} onRetry={() => void groups.refetch()} />;
  if (groups.data.length === 0) return <EmptyState icon={IconUsersGroup} title={t.emptyTitle} text={t.emptyText} />;
  const needle = search.trim().toLocaleLowerCase();
  const found = groups.data.filter((each) => each.name.toLocaleLowerCase().includes(needle));
  if (found.length === 0) return <NothingFound text={search} onClear={() => onSearch('')} />;
  const chosen = found.find((each) => each.id === wanted) ?? found[0];
  return (
    <Grid gap="lg">
      <Grid.Col span={{ base: 12, sm: 4, lg: 3 }}>
        <GroupList groups={found} chosen={chosen} onChoose={onChoose} />
      </Grid.Col>
      <Grid.Col span={{ base: 12, sm: 8, lg: 9 }}>
        {chosen && <GroupDetails key={chosen.id} groupId={chosen.id} portfolioId={portfolioId} />}
      </Grid.Col>
    </Grid>
  );
}

interface GroupListProps {
  groups: readonly Group[];
  chosen: Group | undefined;
  onChoose: (id: string) => void;
}

function GroupList({ groups, chosen, onChoose }: GroupListProps) {
  const t = useTexts().groups;
  return (
    <Stack gap={2} component="nav" aria-label={t.title}>
      {groups.map((group) => (
        <NavLink
          key={group.id}
          component="button"
          label={group.name}
          active={group.id === chosen?.id}
          aria-current={group.id === chosen?.id ? 'true' : undefined}
          onClick={() => onChoose(group.id)}
          rightSection={
            group.admin === true && <IconShieldStar size={16} role="img" aria-label={t.admin} />
          }
          styles={{ root: { borderRadius: 'var(--mantine-radius-sm)' } }}
        />
      ))}
    </Stack>
  );
}
