import { Alert, Anchor, MultiSelect, Radio, Stack, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import { hasStatus } from '@/api/problem';
import type { ServiceAccount } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { Failure, FormDialog, Loading, useNotify } from '@/kit';
import { type Named, NamedFields } from '@/kit/NamedFields';
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
  const [stale, setStale] = useState(false);
  const stored = useApi(
    'getServiceAccount',
    { id: accountId ?? '', includeFilters: true },
    { enabled: opened && accountId !== undefined, staleTime: 0 },
  );
  const account = accountId === undefined ? undefined : stored.data;
  // Once per opening: a newer version that arrives later must not take away what is being typed.
  const filled = useRef<string | undefined>(undefined);
  useEffect(() => {
    if (!opened) return;
    filled.current = undefined;
    setStale(false);
    setDraft(EMPTY);
  }, [opened, accountId]);
  useEffect(() => {
    if (!opened || account === undefined || filled.current === account.id) return;
    filled.current = account.id;
    setDraft({ name: account.name, description: account.description ?? '', reach: reachOf(account) });
  }, [opened, account]);
  const save = useSave(portfolioId, account);
  const submit = async () => {
    try {
      await save(draft);
    } catch (refused) {
      if (hasStatus(refused, 422)) {
        await stored.refetch();
        setStale(true);
      }
      throw refused;
    }
  };
  const loading = accountId !== undefined && stored.data === undefined;
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      size="lg"
      title={accountId === undefined ? t.accounts.create : t.accounts.editTitle(account?.name ?? '')}
      submitLabel={accountId === undefined ? t.common.create : t.common.save}
      incomplete={loading || draft.name.trim() === '' || !isComplete(draft.reach)}
      onSubmit={submit}
    >
      {(error) => (
        <>
          {stale && <Alert color="orange">{t.accounts.stale}</Alert>}
          {loading && (stored.error ? <Failure error={stored.error} onRetry={() => void stored.refetch()} /> : <Loading rows={3} />)}
          {!loading && (
            <>
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
                stored={reachOf(account)}
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
