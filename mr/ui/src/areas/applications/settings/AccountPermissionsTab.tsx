import { Alert, Anchor, Button, Group as Row, Select, Stack, Text } from '@mantine/core';
import { IconInfoCircle, IconRobot } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import { hasStatus } from '@/api/problem';
import type { Application, ServiceAccount } from '@/api/schema';
import { AppLink, useSearchParam } from '@/app/navigate';
import { ENVIRONMENT_ROLES, type EnvironmentRole } from '@/app/permissions';
import { EmptyState, Failure, Loading, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { rolesOf, type Ticks } from '../matrix';
import { environmentRows, useEnvironmentColumns } from './columns';
import { PermissionMatrix } from './PermissionMatrix';
import { SaveBar } from './SaveBar';
import { useTicks } from './useTicks';

/** What SDKs may do with the keys of a service account, in each environment of the application. */
export function AccountPermissionsTab({ application }: { application: Application }) {
  const t = useTexts().applications.accountPermissions;
  const [wanted, setWanted] = useSearchParam('account');
  const accounts = useApi('searchServiceAccountsInPortfolio', { id: application.portfolioId ?? '' });
  if (accounts.isPending) return <Loading />;
  if (accounts.error) return <Failure error={accounts.error} onRetry={() => void accounts.refetch()} />;
  const chosen = accounts.data.find((each) => each.id === wanted) ?? accounts.data[0];
  if (chosen === undefined) {
    return (
      <EmptyState
        icon={IconRobot}
        title={t.emptyTitle}
        text={t.emptyText}
        action={
          <Button component={AppLink} to="/service-accounts" search={{ create: 'yes' }}>
            {t.toAccounts}
          </Button>
        }
      />
    );
  }
  return (
    <Stack gap="md">
      <Text c="dimmed" size="sm">
        {t.lead}
      </Text>
      <Row align="flex-end">
        <Select
          label={t.account}
          data={accounts.data.map(({ id, name }) => ({ value: id, label: name }))}
          value={chosen.id}
          searchable
          allowDeselect={false}
          w={300}
          onChange={(id) => id !== null && setWanted(id)}
        />
        <Anchor component={AppLink} to="/api-keys" search={{ application: application.id, q: chosen.name }} size="sm" pb={8}>
          {t.toKeys}
        </Anchor>
      </Row>
      <AccountPermissions key={chosen.id} accountId={chosen.id} application={application} />
    </Stack>
  );
}

function ticksOf(account: ServiceAccount): Ticks<EnvironmentRole> {
  return Object.fromEntries(account.permissions.map((given) => [given.environmentId, given.permissions]));
}

function AccountPermissions({ accountId, application }: { accountId: string; application: Application }) {
  const t = useTexts();
  const columns = useEnvironmentColumns();
  const query = useApi('getServiceAccount', { id: accountId, includePermissions: true, byApplicationId: application.id });
  const account = query.data;
  const draft = useTicks(useMemo(() => account && ticksOf(account), [account]), ENVIRONMENT_ROLES);
  const { save, busy, error, others } = useSaving(account, application, draft, async () => {
    await query.refetch();
  });
  if (query.isPending) return <Loading />;
  if (query.error) return <Failure error={query.error} onRetry={() => void query.refetch()} />;
  const writing = Object.values(draft.ticks).some((roles) => roles.some((role) => WRITING.has(role)));
  return (
    <Stack gap="md">
      {others && (
        <Alert color="orange" icon={<IconInfoCircle />} role="alert">
          {t.applications.matrix.rebased}
        </Alert>
      )}
      <Failure error={error} />
      <PermissionMatrix
        label={t.applications.accountPermissions.lead}
        rowTitle={t.applications.matrix.environment}
        rows={environmentRows(application)}
        columns={columns}
        ticks={draft.ticks}
        onChange={draft.set}
      />
      {writing && (
        <Text size="sm" c="dimmed">
          {t.applications.accountPermissions.writing}
        </Text>
      )}
      <SaveBar
        changed={draft.changed}
        busy={busy}
        label={t.applications.matrix.save}
        onSave={() => void save()}
        onReset={draft.reset}
      />
    </Stack>
  );
}

const WRITING: ReadonlySet<EnvironmentRole> = new Set(['LOCK', 'UNLOCK', 'CHANGE_VALUE']);

function useSaving(
  account: ServiceAccount | undefined,
  application: Application,
  { base, ticks, saved }: ReturnType<typeof useTicks<EnvironmentRole>>,
  reload: () => Promise<void>,
) {
  const t = useTexts();
  const notify = useNotify();
  const [error, setError] = useState<unknown>(null);
  const [others, setOthers] = useState(false);
  const update = useApiChange('updateServiceAccountOnPortfolio', {
    changes: ['getServiceAccount', 'searchServiceAccountsInPortfolio', 'summaryApplication'],
  });
  const save = async () => {
    if (account === undefined) return;
    setError(null);
    setOthers(false);
    const permissions = application.environments.map(({ id }) => ({
      environmentId: id,
      permissions: [...rolesOf(ticks, id)],
    }));
    const { id, name, version } = account;
    try {
      await update.mutateAsync({
        params: { id: application.portfolioId ?? '', appId: application.id },
        // Without filters in it: they stay as they are.
        body: { id, name, permissions, ...(version === undefined ? {} : { version }) },
      });
      saved(base, ticks);
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
