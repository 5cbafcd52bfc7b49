import { useCallback, useEffect, useState } from 'react';
import { call } from '@/api/client';
import { useApiChange } from '@/api/hooks';
import type { FeatureGroupListGroup } from '@/api/schema';
import { useGo } from '@/app/navigate';
import { FormDialog, useNotify } from '@/kit';
import { type Named, NamedFields } from '@/kit/NamedFields';
import { StaleNotice, useNewest } from '@/kit/newest';
import { useTexts } from '@/texts';
import { FEATURE_GROUP_LISTS } from './lists';

interface FeatureGroupFormProps {
  opened: boolean;
  onClose: () => void;
  applicationId: string;
  environmentId: string;
  /** Absent: a new one. */
  group?: FeatureGroupListGroup;
}

/** Creates a feature group and opens it, or renames and describes one. */
export function FeatureGroupForm({ opened, onClose, applicationId, environmentId, group }: FeatureGroupFormProps) {
  const t = useTexts();
  const words = t.strategies.groups;
  const go = useGo();
  const notify = useNotify();
  const [value, setValue] = useState<Named>({ name: '', description: '' });
  const create = useApiChange('createFeatureGroup', { changes: FEATURE_GROUP_LISTS });
  const update = useApiChange('updateFeatureGroup', { changes: FEATURE_GROUP_LISTS });
  const fgId = group?.id ?? '';
  const newest = useNewest(
    opened,
    group,
    useCallback(() => call('getFeatureGroup', { params: { appId: applicationId, fgId } }), [applicationId, fgId]),
  );
  useEffect(() => {
    if (opened) setValue({ name: group?.name ?? '', description: group?.description ?? '' });
  }, [opened, group]);
  const submit = async () => {
    const named = { name: value.name.trim(), description: value.description.trim() };
    const params = { appId: applicationId };
    if (group === undefined) {
      const made = await create.mutateAsync({ params, body: { ...named, environmentId, features: [] } });
      notify.success(words.created(made.name));
      await go('/edit-feature-group-strategy-values', { search: { application: applicationId, group: made.id } });
      return;
    }
    const body = { id: fgId, version: newest.version ?? group.version, ...named };
    await newest.send(() => update.mutateAsync({ params, body }));
    notify.success(words.changed(named.name));
  };
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={group === undefined ? words.create : words.edit}
      submitLabel={group === undefined ? t.common.create : t.common.save}
      incomplete={value.name.trim() === ''}
      onSubmit={submit}
    >
      {(error) => (
        <>
          <StaleNotice other={newest.other} />
          <NamedFields value={value} onChange={setValue} error={error} nameMax={200} descriptionMax={400} />
        </>
      )}
    </FormDialog>
  );
}
