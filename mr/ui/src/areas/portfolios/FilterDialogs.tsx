import { Alert, Text } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useCallback, useEffect, useState } from 'react';
import { call, type OperationId } from '@/api/client';
import { useApiChange } from '@/api/hooks';
import type { SearchFeatureFilterItem } from '@/api/schema';
import { ConfirmDialog, FormDialog, useNotify } from '@/kit';
import { type Named, NamedFields } from '@/kit/NamedFields';
import { StaleNotice, useNewest } from '@/kit/newest';
import { useTexts } from '@/texts';
import { useAllFilters } from './allFilters';

/** Whatever shows filters, or what was let through by them. */
const FILTER_LISTS: readonly OperationId[] = [
  'findFeatureFilters',
  'getFeatureFilter',
  'getMatchingFilters',
  'searchServiceAccountsInPortfolio',
  'getServiceAccount',
  'findAllFeatureAndFeatureValuesForEnvironmentsByApplication',
];

interface FilterFormProps {
  opened: boolean;
  onClose: () => void;
  portfolioId: string;
  /** Absent: a new one. */
  filter?: SearchFeatureFilterItem;
}

/** Creates a filter, or renames and describes one. */
export function FilterForm({ opened, onClose, portfolioId, filter }: FilterFormProps) {
  const t = useTexts();
  const words = t.portfolios.filters;
  const notify = useNotify();
  const [value, setValue] = useState<Named>({ name: '', description: '' });
  const create = useApiChange('createFeatureFilter', { changes: FILTER_LISTS });
  const update = useApiChange('updateFeatureFilter', { changes: FILTER_LISTS });
  const newest = useNewest(opened, filter, useFinding(portfolioId, filter));
  useEffect(() => {
    if (opened) setValue({ name: filter?.name ?? '', description: filter?.description ?? '' });
  }, [opened, filter]);
  const submit = async () => {
    const named = { name: value.name.trim(), description: value.description.trim() };
    if (filter === undefined) {
      await create.mutateAsync({ params: { id: portfolioId }, body: named });
      notify.success(words.created(named.name));
      return;
    }
    const body = { id: filter.id, version: newest.version ?? filter.version, ...named };
    await newest.send(() => update.mutateAsync({ params: { id: portfolioId }, body }));
    notify.success(words.changed(named.name));
  };
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={filter === undefined ? words.create : words.edit}
      submitLabel={filter === undefined ? t.common.create : t.common.save}
      incomplete={value.name.trim() === ''}
      onSubmit={submit}
    >
      {(error) => (
        <>
          <StaleNotice other={newest.other} />
          <NamedFields value={value} onChange={setValue} error={error} nameMax={60} descriptionMax={300} />
        </>
      )}
    </FormDialog>
  );
}

function useFinding(portfolioId: string, filter: SearchFeatureFilterItem | undefined) {
  const filterId = filter?.id ?? '';
  return useCallback(
    () => call('getFeatureFilter', { params: { id: portfolioId, filterId } }),
    [portfolioId, filterId],
  );
}

interface DeleteFilterProps {
  portfolioId: string;
  filter: SearchFeatureFilterItem;
  onClose: () => void;
}

/** Tells first which accounts would receive nothing any more. */
export function DeleteFilter({ portfolioId, filter, onClose }: DeleteFilterProps) {
  const t = useTexts();
  const words = t.portfolios.filters;
  const notify = useNotify();
  const remove = useApiChange('deleteFeatureFilter', { changes: FILTER_LISTS });
  const newest = useNewest(true, filter, useFinding(portfolioId, filter));
  const all = useAllFilters(portfolioId);
  const others = new Set(
    (all.data ?? []).filter((each) => each.id !== filter.id).flatMap((each) => (each.serviceAccounts ?? []).map(({ id }) => id)),
  );
  const accounts = filter.serviceAccounts ?? [];
  const blinded = accounts.filter((each) => !others.has(each.id));
  const features = (filter.applications ?? []).reduce((count, each) => count + (each.features?.length ?? 0), 0);
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={words.deleteTitle(filter.name)}
      confirmLabel={t.common.delete}
      onConfirm={async () => {
        const params = { id: portfolioId, filterId: filter.id, version: newest.version ?? filter.version };
        await newest.send(() => remove.mutateAsync({ params }));
        notify.success(words.deleted(filter.name));
      }}
      {...(blinded.length > 0 ? { typed: filter.name } : {})}
    >
      <StaleNotice other={newest.other} />
      <Text size="sm">{words.deleteText}</Text>
      <Text size="sm">{words.deleteUses(features, accounts.length)}</Text>
      {blinded.length > 0 && (
        <Alert color="orange" icon={<IconLock />} mt="sm">
          {words.deleteOnly(blinded.map((each) => each.name).join(', '))}
        </Alert>
      )}
    </ConfirmDialog>
  );
}
