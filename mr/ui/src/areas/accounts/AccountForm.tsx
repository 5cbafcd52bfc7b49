import { Alert, Anchor, MultiSelect, Radio, Stack, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useCallback, useEffect, useState } from 'react';
import { call } from '@/api/client';
import { useApi, useApiChange } from '@/api/hooks';
import type { ServiceAccount } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { Failure, FormDialog, Loading, useNotify } from '@/kit';
import { type Named, NamedFields } from '@/kit/NamedFields';
import { StaleNotice, useNewest } from '@/kit/newest';
import { useTexts } from '@/texts';
import { ACCOUNT_LISTS } from './AccountDialogs';
import { useFilterNames } from './filters';
import { filtersToSend, isComplete, type Reach, type ReachDraft, reachOf } from './reach';

interface AccountFormProps {
  opened: boolean;
  onClose: () => void;
  portfolioId: string;
  /** Absent: a new one. */
  accountId?: string;
}

interface Draft extends Named {
  reach: ReachDraft;
}

const EMPTY: Draft = { name: '', description: '', reach: { reach: 'everything', filters: [] } };

/** Creates a service account or edits one: its name, and which features it receives. */
export function AccountForm({ opened, onClose, portfolioId, accountId }: AccountFormProps) {
  const t = useTexts();
  const [draft, setDraft] = useState(EMPTY);
  const { account, error: notLoaded, retry } = useOpened(opened, accountId, setDraft);
  const id = accountId ?? '';
  const find = useCallback(() => call('getServiceAccount', { params: { id, includeFilters: true } }), [id]);
  const newest = useNewest(opened, account, find);
  const stored = newest.other ?? account;
  const save = useSave(portfolioId, stored);
  const loading = accountId !== undefined && account === undefined;
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      size="lg"
      title={accountId === undefined ? t.accounts.create : t.accounts.editTitle(account?.name ?? '')}
      submitLabel={accountId === undefined ? t.common.create : t.common.save}
      incomplete={loading || draft.name.trim() === '' || !isComplete(draft.reach)}
      onSubmit={() => newest.send(() => save(draft))}
    >
      {(error) => (
        <>
          {loading && (notLoaded ? <Failure error={notLoaded} onRetry={retry} /> : <Loading rows={3} />)}
          {!loading && (
            <>
              <StaleNotice other={newest.other} />
              <NamedFields
                value={draft}
                onChange={(named) => setDraft({ ...draft, ...named })}
                error={error}
                nameMax={70}
                descriptionMax={400}
                nameHint={t.accounts.nameHint}
              />
              <ReachFields
                portfolioId={portfolioId}
                stored={reachOf(stored)}
                value={draft.reach}
                onChange={(reach) => setDraft({ ...draft, reach })}
              />
            </>
          )}
        </>
      )}
    </FormDialog>
  );
}

/** The account as it was when the form opened: one that comes later must not take away what is being typed. */
function useOpened(opened: boolean, accountId: string | undefined, fill: (draft: Draft) => void) {
  const [account, setAccount] = useState<ServiceAccount | undefined>(undefined);
  const query = useApi(
    'getServiceAccount',
    { id: accountId ?? '', includeFilters: true },
    { enabled: opened && accountId !== undefined && account === undefined, staleTime: 0 },
  );
  const { data, isFetching } = query;
  useEffect(() => {
    setAccount(undefined);
    if (opened) fill(EMPTY);
  }, [opened, accountId, fill]);
  useEffect(() => {
    if (!opened || accountId === undefined || account !== undefined || data?.id !== accountId || isFetching) return;
    setAccount(data);
    fill({ name: data.name, description: data.description ?? '', reach: reachOf(data) });
  }, [opened, accountId, account, data, isFetching, fill]);
  return { account, error: query.error, retry: () => void query.refetch() };
}

function useSave(portfolioId: string, account: ServiceAccount | undefined) {
  const t = useTexts();
  const notify = useNotify();
  const create = useApiChange('createServiceAccountInPortfolio', { changes: ACCOUNT_LISTS });
  const update = useApiChange('updateServiceAccountOnPortfolio', { changes: ACCOUNT_LISTS });
  return async (draft: Draft) => {
    const named = { name: draft.name.trim(), description: draft.description.trim() };
    const filters = filtersToSend(reachOf(account), draft.reach);
    const params = { id: portfolioId };
    if (account === undefined) {
      await create.mutateAsync({ params, body: { ...named, ...(filters === undefined ? {} : { featureFilter: filters }) } });
      notify.success(t.accounts.created(named.name));
      return;
    }
    const { id, version } = account;
    await update.mutateAsync({
      params,
      body: {
        id,
        ...named,
        // This form knows no permissions: they stay as they are.
        permsInvalid: true,
        ...(version === undefined ? {} : { version }),
        ...(filters === undefined ? {} : { featureFilters: filters }),
      },
    });
    notify.success(t.accounts.changed(named.name));
  };
}

interface ReachFieldsProps {
  portfolioId: string;
  stored: ReachDraft;
  value: ReachDraft;
  onChange: (value: ReachDraft) => void;
}

function ReachFields({ portfolioId, stored, value, onChange }: ReachFieldsProps) {
  const t = useTexts().accounts;
  const { all } = useFilterNames(portfolioId);
  return (
    <Stack gap="xs">
      {stored.reach === 'nothing' && (
        <Alert color="orange" icon={<IconLock />} title={t.nothing}>
          {t.nothingText} {t.nothingKept}
        </Alert>
      )}
      <Radio.Group
        label={t.receives}
        value={value.reach}
        onChange={(reach) => onChange({ ...value, reach: reach as Reach })}
      >
        <Stack gap={6} mt={4}>
          {stored.reach === 'nothing' && <Radio value="nothing" label={t.nothing} />}
          <Radio value="everything" label={t.everything} />
          <Radio value="filtered" label={t.filtered} disabled={all.length === 0} />
        </Stack>
      </Radio.Group>
      {all.length === 0 && (
        <Text size="sm" c="dimmed">
          {t.noFilters}{' '}
          <Anchor component={AppLink} to="/feature-filters" size="sm" underline="always">
            {t.toFilters}
          </Anchor>
        </Text>
      )}
      {stored.reach !== 'everything' && value.reach === 'everything' && <Alert color="orange">{t.toEverything}</Alert>}
      {value.reach === 'filtered' && (
        <>
          <MultiSelect
            label={t.filters}
            data={all.map(({ id, name }) => ({ value: id, label: name }))}
            value={[...value.filters]}
            searchable
            error={value.filters.length === 0 ? t.pickFilters : undefined}
            onChange={(filters) => onChange({ ...value, filters })}
          />
          {value.filters.length > 0 && <Preview portfolioId={portfolioId} filters={value.filters} />}
        </>
      )}
    </Stack>
  );
}

/** Which features the chosen filters let through, by application. */
function Preview({ portfolioId, filters }: { portfolioId: string; filters: readonly string[] }) {
  const t = useTexts().accounts;
  const { all } = useFilterNames(portfolioId);
  const found = new Map<string, Set<string>>();
  for (const filter of all.filter((each) => filters.includes(each.id))) {
    for (const application of filter.applications ?? []) {
      const keys = found.get(application.name) ?? new Set<string>();
      for (const feature of application.features ?? []) keys.add(feature.key);
      found.set(application.name, keys);
    }
  }
  return (
    <div>
      <Text size="sm" fw={500}>
        {t.preview}
      </Text>
      {found.size === 0 && (
        <Text size="sm" c="dimmed">
          {t.previewNone}
        </Text>
      )}
      {[...found].map(([application, keys]) => (
        <Text key={application} size="sm" style={{ overflowWrap: 'anywhere' }}>
          {t.previewFeatures(application, [...keys].sort().join(', '))}
        </Text>
      ))}
    </div>
  );
}
