import { Alert, Anchor, Button, Checkbox, Fieldset, Group as Row, Select, SimpleGrid, Stack, Text } from '@mantine/core';
import { IconInfoCircle, IconShieldStar, IconUsersGroup } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import { hasStatus } from '@/api/problem';
import type { Application, Group } from '@/api/schema';
import { AppLink, useSearchParam } from '@/app/navigate';
import { APPLICATION_ROLES, type ApplicationRole, ENVIRONMENT_ROLES, type EnvironmentRole } from '@/app/permissions';
import { EmptyState, Failure, Loading, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { changedRows, rolesOf, type Ticks, ticked } from '../matrix';
import { environmentRows, useEnvironmentColumns } from './columns';
import { PermissionMatrix } from './PermissionMatrix';
import { SaveBar } from './SaveBar';
import { useTicks } from './useTicks';

/** What a group may do in the application: in all of it, and in each environment. */
export function GroupPermissionsTab({ application }: { application: Application }) {
  const t = useTexts();
  const [wanted, setWanted] = useSearchParam('group');
  const portfolioId = application.portfolioId ?? '';
  const groups = useApi('findGroups', { id: portfolioId, order: 'ASC' });
  if (groups.isPending) return <Loading />;
  if (groups.error) return <Failure error={groups.error} onRetry={() => void groups.refetch()} />;
  // Administrators need no roles, so another group is the better one to begin with.
  const chosen =
    groups.data.find((each) => each.id === wanted) ?? groups.data.find((each) => each.admin !== true) ?? groups.data[0];
  if (chosen === undefined) {
    return (
      <EmptyState
        icon={IconUsersGroup}
        title={t.applications.groupPermissions.emptyTitle}
        text={t.applications.groupPermissions.emptyText}
        action={
          <Button component={AppLink} to="/groups">
            {t.applications.groupPermissions.toGroups}
          </Button>
        }
      />
    );
  }
  return (
    <Stack gap="md">
      <Text c="dimmed" size="sm">
        {t.applications.groupPermissions.lead}
      </Text>
      <Row align="flex-end">
        <Select
          label={t.applications.groupPermissions.group}
          data={groups.data.map(({ id, name }) => ({ value: id, label: name }))}
          value={chosen.id}
          searchable
          allowDeselect={false}
          w={300}
          onChange={(id) => id !== null && setWanted(id)}
        />
        <Anchor component={AppLink} to="/groups" search={{ group: chosen.id }} size="sm" pb={8}>
          {t.applications.groupPermissions.members}
        </Anchor>
      </Row>
      {chosen.admin === true ? (
        <Alert color="sea" icon={<IconShieldStar />} title={t.applications.groupPermissions.adminTitle}>
          {t.applications.groupPermissions.adminText}
        </Alert>
      ) : (
        <GroupPermissions key={chosen.id} groupId={chosen.id} application={application} />
      )}
    </Stack>
  );
}

function environmentTicks(group: Group): Ticks<EnvironmentRole> {
  return Object.fromEntries(group.environmentRoles.map((given) => [given.environmentId, given.roles]));
}

function applicationTicks(group: Group): Ticks<ApplicationRole> {
  return Object.fromEntries(group.applicationRoles.map((given) => [given.applicationId, given.roles]));
}

function GroupPermissions({ groupId, application }: { groupId: string; application: Application }) {
  const t = useTexts();
  const columns = useEnvironmentColumns();
  const query = useApi('getGroup', { gid: groupId, includeGroupRoles: true, byApplicationId: application.id });
  const group = query.data;
  const environments = useTicks(useMemo(() => group && environmentTicks(group), [group]), ENVIRONMENT_ROLES);
  const roles = useTicks(useMemo(() => group && applicationTicks(group), [group]), APPLICATION_ROLES);
  const { save, busy, error, others } = useSaving(group, application, environments, roles, async () => {
    await query.refetch();
  });
  if (query.isPending) return <Loading />;
  if (query.error) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  return (
    <Stack gap="md">
      {others && (
        <Alert color="orange" icon={<IconInfoCircle />} role="alert">
          {t.applications.matrix.rebased}
        </Alert>
      )}
      <Failure error={error} />
      <ApplicationRoles application={application} ticks={roles.ticks} onChange={roles.set} />
      <Fieldset legend={t.applications.matrix.environmentRoles}>
        <PermissionMatrix
          label={t.applications.matrix.environmentRoles}
          rowTitle={t.applications.matrix.environment}
          rows={environmentRows(application)}
          columns={columns}
          ticks={environments.ticks}
          onChange={environments.set}
        />
      </Fieldset>
      <SaveBar
        changed={environments.changed + roles.changed}
        busy={busy}
        label={t.applications.matrix.save}
        onSave={() => void save()}
        onReset={() => {
          environments.reset();
          roles.reset();
        }}
      />
    </Stack>
  );
}

type TicksDraft<Role extends string> = ReturnType<typeof useTicks<Role>>;

function useSaving(
  group: Group | undefined,
  application: Application,
  environments: TicksDraft<EnvironmentRole>,
  roles: TicksDraft<ApplicationRole>,
  reload: () => Promise<void>,
) {
  const t = useTexts();
  const notify = useNotify();
  const [error, setError] = useState<unknown>(null);
  const [others, setOthers] = useState(false);
  const update = useApiChange('updateGroupOnPortfolioV2', {
    changes: ['getGroup', 'getPerson', 'summaryApplication', 'applicationPermissions'],
  });
  const save = async () => {
    if (group === undefined) return;
    setError(null);
    setOthers(false);
    const environmentRoles = changedRows(environments.base, environments.ticks).map((environmentId) => ({
      environmentId,
      groupId: group.id,
      roles: [...rolesOf(environments.ticks, environmentId)],
    }));
    const held = [...rolesOf(roles.ticks, application.id)];
    try {
      await update.mutateAsync({
        params: {
          id: application.portfolioId ?? '',
          updateEnvironmentGroupRoles: true,
          updateApplicationGroupRoles: true,
          applicationId: application.id,
        },
        body: {
          id: group.id,
          ...(group.version === undefined ? {} : { version: group.version }),
          environmentRoles,
          applicationRoles: [{ applicationId: application.id, groupId: group.id, roles: held }],
        },
      });
      environments.saved(environments.base, environments.ticks);
      roles.saved(roles.base, roles.ticks);
      notify.success(t.applications.matrix.saved);
    } catch (refused) {
      if (!hasStatus(refused, 422)) {
        setError(refused);
        return;
      }
      await reload();
      setOthers(true);
    }
  };
  return { save, busy: update.isPending, error, others };
}

const FEATURE_ROLES: readonly ApplicationRole[] = ['FEATURE_CREATE', 'FEATURE_EDIT_AND_DELETE'];
const STRATEGY_ROLES: readonly ApplicationRole[] = [
  'APP_STRATEGY_CREATE',
  'APP_STRATEGY_EDIT',
  'APP_STRATEGY_EDIT_AND_DELETE',
];

interface ApplicationRolesProps {
  application: Application;
  ticks: Ticks<ApplicationRole>;
  onChange: (ticks: Ticks<ApplicationRole>) => void;
}

function ApplicationRoles({ application, ticks, onChange }: ApplicationRolesProps) {
  const t = useTexts().applications.matrix;
  const held = rolesOf(ticks, application.id);
  // The oldest role is offered only to take it away.
  const features = held.includes('FEATURE_EDIT') ? (['FEATURE_EDIT', ...FEATURE_ROLES] as const) : FEATURE_ROLES;
  const boxes = (roles: readonly ApplicationRole[]) => (
    <Stack gap="xs">
      {roles.map((role) => (
        <Checkbox
          key={role}
          label={t.applicationRoles[role]}
          checked={held.includes(role)}
          onChange={(event) => onChange(ticked(ticks, APPLICATION_ROLES, application.id, role, event.currentTarget.checked))}
        />
      ))}
    </Stack>
  );
  return (
    <SimpleGrid cols={{ base: 1, sm: 2 }}>
      <Fieldset legend={t.featureRoles}>{boxes(features)}</Fieldset>
      <Fieldset legend={t.strategyRoles}>{boxes(STRATEGY_ROLES)}</Fieldset>
    </SimpleGrid>
  );
}
