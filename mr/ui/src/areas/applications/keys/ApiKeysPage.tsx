import { Alert, Badge, Button, Card, Group, SegmentedControl, Select, SimpleGrid, Stack, Text } from '@mantine/core';
import { IconCode, IconEyeOff, IconKey, IconLock } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/hooks';
import type { Application, Environment, ServiceAccount, ServiceAccountPermission } from '@/api/schema';
import { AppLink, useSearchParam } from '@/app/navigate';
import { isPortfolioAdmin } from '@/app/permissions';
import { usePlace } from '@/app/place';
import { useMe } from '@/app/session';
import { CopyField, EmptyState, Failure, Loading, NothingFound, Page, SearchBox } from '@/kit';
import { ApplicationSelect, ForApplication } from '@/kit/ForApplication';
import { ProductionMark } from '@/kit/ProductionMark';
import { useTexts } from '@/texts';
import { SnippetDrawer } from './SnippetDrawer';

/** The keys of service accounts in one environment of an application, with code to use them. */
export default function ApiKeysPage() {
  const t = useTexts();
  const { portfolioId } = usePlace();
  const [search, setSearch] = useSearchParam('q');
  return (
    <Page
      title={t.applications.apiKeys.title}
      lead={t.applications.apiKeys.lead}
      actions={
        <>
          <SearchBox value={search} onChange={setSearch} wait={0} aria-label={t.applications.apiKeys.search} />
          <ApplicationSelect />
        </>
      }
    >
      <ForApplication>
        {(application) =>
          portfolioId !== undefined && (
            <Keys key={application.id} application={application} portfolioId={portfolioId} search={search} onSearch={setSearch} />
          )
        }
      </ForApplication>
    </Page>
  );
}

interface KeysProps {
  application: Application;
  portfolioId: string;
  search: string;
  onSearch: (text: string) => void;
}

function Keys({ application, portfolioId, search, onSearch }: KeysProps) {
  const t = useTexts();
  const [wanted, setWanted] = useSearchParam('environment');
  const { environments } = application;
  const environment = environments.find((each) => each.id === wanted) ?? environments[0];
  const accounts = useApi('searchServiceAccountsInPortfolio', {
    id: portfolioId,
    includePermissions: true,
    includeSdkUrls: true,
    applicationId: application.id,
  });
  if (environment === undefined) {
    return <EmptyState icon={IconKey} title={t.applications.noEnvironments} text={t.applications.environment.emptyText} />;
  }
  if (accounts.isPending) return <Loading />;
  if (accounts.error) return <Failure error={accounts.error} onRetry={() => void accounts.refetch()} />;
  const needle = search.trim().toLocaleLowerCase();
  const found = accounts.data.filter((each) => each.name.toLocaleLowerCase().includes(needle));
  return (
    <>
      <EnvironmentChoice environments={environments} environment={environment} onChoose={setWanted} />
      {accounts.data.length === 0 && <NoAccounts portfolioId={portfolioId} />}
      {accounts.data.length > 0 && found.length === 0 && <NothingFound text={search} onClear={() => onSearch('')} />}
      <Stack gap="sm">
        {sorted(found, environment).map((account) => (
          <AccountCard key={account.id} account={account} application={application} environment={environment} portfolioId={portfolioId} />
        ))}
      </Stack>
    </>
  );
}

/** Those with a permission here first. */
function sorted(accounts: readonly ServiceAccount[], environment: Environment): ServiceAccount[] {
  const has = (account: ServiceAccount) => (permissionIn(account, environment) === undefined ? 1 : 0);
  return [...accounts].sort((one, other) => has(one) - has(other));
}

function permissionIn(account: ServiceAccount, environment: Environment): ServiceAccountPermission | undefined {
  const found = account.permissions.find((each) => each.environmentId === environment.id);
  return found !== undefined && found.permissions.length > 0 ? found : undefined;
}

interface EnvironmentChoiceProps {
  environments: readonly Environment[];
  environment: Environment;
  onChoose: (id: string) => void;
}

const MOST_SEGMENTS = 5;

function EnvironmentChoice({ environments, environment, onChoose }: EnvironmentChoiceProps) {
  const t = useTexts();
  const data = environments.map(({ id, name }) => ({ value: id, label: name }));
  const label = t.applications.chooseEnvironment;
  return (
    <Group gap="sm">
      {environments.length <= MOST_SEGMENTS ? (
        <SegmentedControl aria-label={label} data={data} value={environment.id} onChange={onChoose} />
      ) : (
        <Select
          aria-label={label}
          data={data}
          value={environment.id}
          searchable
          allowDeselect={false}
          onChange={(id) => id !== null && onChoose(id)}
        />
      )}
      <ProductionMark environment={environment} />
    </Group>
  );
}

function NoAccounts({ portfolioId }: { portfolioId: string }) {
  const t = useTexts();
  const admin = isPortfolioAdmin(useMe(), portfolioId);
  return (
    <EmptyState
      icon={IconKey}
      title={t.applications.apiKeys.noAccountsTitle}
      text={t.applications.apiKeys.noAccountsText}
      action={
        admin && (
          <Button component={AppLink} to="/service-accounts">
            {t.applications.apiKeys.create}
          </Button>
        )
      }
    />
  );
}

interface AccountCardProps {
  account: ServiceAccount;
  application: Application;
  environment: Environment;
  portfolioId: string;
}

function AccountCard({ account, application, environment, portfolioId }: AccountCardProps) {
  const t = useTexts();
  const [using, setUsing] = useState(false);
  const permission = permissionIn(account, environment);
  const [client, server] = [permission?.sdkUrlClientEval, permission?.sdkUrlServerEval];
  return (
    <Card withBorder component="article" aria-label={account.name} py="sm">
      <Group justify="space-between" mb={permission === undefined ? 0 : 'xs'}>
        <Group gap="xs">
          <Text fw={600}>{account.name}</Text>
          {permission?.permissions.map((role) => (
            <Badge key={role} variant="light" color="gray" size="sm" radius="sm" tt="none">
              {t.applications.matrix.roles[role]}
            </Badge>
          ))}
          {permission === undefined && (
            <Text size="sm" c="dimmed">
              {t.applications.apiKeys.noPermission}
            </Text>
          )}
        </Group>
        {client !== undefined && server !== undefined ? (
          <Button size="xs" variant="light" leftSection={<IconCode size={16} />} onClick={() => setUsing(true)}>
            {t.applications.apiKeys.use}
          </Button>
        ) : (
          <Give account={account} application={application} portfolioId={portfolioId} missing={permission === undefined} />
        )}
      </Group>
      {account.restricted === true && permission !== undefined && <Restricted account={account} />}
      {permission !== undefined && (client === undefined || server === undefined) && <Unavailable />}
      {client !== undefined && server !== undefined && (
        <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="sm">
          <Key label={t.applications.apiKeys.clientKey} hint={t.applications.apiKeys.clientKeyHint} value={client} />
          <Key label={t.applications.apiKeys.serverKey} hint={t.applications.apiKeys.serverKeyHint} value={server} />
        </SimpleGrid>
      )}
      {client !== undefined && server !== undefined && (
        <SnippetDrawer
          opened={using}
          onClose={() => setUsing(false)}
          title={t.applications.snippets.title(account.name, environment.name)}
          application={application}
          clientKey={client}
          serverKey={server}
        />
      )}
    </Card>
  );
}

function Key({ label, hint, value }: { label: string; hint: string; value: string }) {
  return (
    <div>
      <CopyField label={label} value={value} />
      <Text size="xs" c="dimmed" mt={2}>
        {hint}
      </Text>
    </div>
  );
}

function Unavailable() {
  const t = useTexts();
  return (
    <Alert color="gray" icon={<IconEyeOff />} title={t.applications.apiKeys.unavailable}>
      {t.applications.apiKeys.unavailableText}
    </Alert>
  );
}

/** An account that was given filters has them, or has lost them all: then it receives nothing. */
function Restricted({ account }: { account: ServiceAccount }) {
  const t = useTexts();
  const whole = useApi('getServiceAccount', { id: account.id, includeFilters: true });
  if (whole.data?.featureFilters?.length !== 0) return null;
  return (
    <Alert color="orange" icon={<IconLock />} title={t.applications.apiKeys.restricted} mb="xs">
      {t.applications.apiKeys.restrictedText}
    </Alert>
  );
}

interface GiveProps {
  account: ServiceAccount;
  application: Application;
  portfolioId: string;
  missing: boolean;
}

function Give({ account, application, portfolioId, missing }: GiveProps) {
  const t = useTexts();
  const admin = isPortfolioAdmin(useMe(), portfolioId);
  if (!admin || !missing) return null;
  return (
    <Button
      size="xs"
      variant="default"
      component={AppLink}
      to="/app-settings/accounts"
      search={{ application: application.id, account: account.id }}
    >
      {t.applications.apiKeys.give}
    </Button>
  );
}
