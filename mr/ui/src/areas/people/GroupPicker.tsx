import { Checkbox, Fieldset, Input, Stack, Switch, Text } from '@mantine/core';
import { useApi } from '@/api/hooks';
import type { Group } from '@/api/schema';
import { isPortfolioAdmin, isSuperuser } from '@/app/permissions';
import { useMe } from '@/app/session';
import { Failure, Loading } from '@/kit';
import { useTexts } from '@/texts';

interface GroupPickerProps {
  /** Ids of the chosen groups, those of other portfolios included: they stay as they are. */
  value: readonly string[];
  onChange: (ids: string[]) => void;
}

/** Groups of the portfolios that the caller administers, and the superusers' for superusers. */
export function GroupPicker({ value, onChange }: GroupPickerProps) {
  const t = useTexts();
  const me = useMe();
  const portfolios = useApi('findPortfolios', { includeGroups: true, order: 'ASC' });
  const superusers = me.groups.find((group) => group.admin === true && group.portfolioId === undefined);
  const toggle = (id: string, on: boolean) => onChange(on ? [...value, id] : value.filter((each) => each !== id));
  return (
    <Input.Wrapper label={t.people.chooseGroups} description={t.people.chooseGroupsHint}>
      <Stack gap="sm" mt="xs">
        <Failure error={portfolios.error} onRetry={() => void portfolios.refetch()} />
        {portfolios.isPending && <Loading rows={3} />}
        {superusers && isSuperuser(me) && (
          <Switch
            label={t.people.superuser}
            description={t.people.superuserHint}
            checked={value.includes(superusers.id)}
            onChange={(event) => toggle(superusers.id, event.currentTarget.checked)}
          />
        )}
        {portfolios.data
          ?.filter((portfolio) => isPortfolioAdmin(me, portfolio.id))
          .map((portfolio) => (
            <Fieldset key={portfolio.id} legend={portfolio.name} p="sm">
              {portfolio.groups.length === 0 && (
                <Text size="sm" c="dimmed">
                  {t.people.noGroups}
                </Text>
              )}
              <Stack gap={6}>
                {inOrder(portfolio.groups).map((group) => (
                  <Checkbox
                    key={group.id}
                    label={group.name}
                    description={group.admin ? t.people.administrators : undefined}
                    checked={value.includes(group.id)}
                    onChange={(event) => toggle(group.id, event.currentTarget.checked)}
                  />
                ))}
              </Stack>
            </Fieldset>
          ))}
      </Stack>
    </Input.Wrapper>
  );
}

/** Administrators last: the others are what most people need. */
function inOrder(groups: readonly Group[]): Group[] {
  const rank = (group: Group) => (group.admin === true ? 1 : 0);
  return [...groups].sort((one, other) => rank(one) - rank(other) || one.name.localeCompare(other.name));
}
