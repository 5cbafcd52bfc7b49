import { Text, TextInput } from '@mantine/core';
import { useCallback, useEffect, useState } from 'react';
import { call, type OperationId } from '@/api/client';
import { useApiChange } from '@/api/hooks';
import { faultOf } from '@/api/problem';
import type { Group } from '@/api/schema';
import { ConfirmDialog, FormDialog, useNotify } from '@/kit';
import { StaleNotice, useNewest } from '@/kit/newest';
import { useTexts } from '@/texts';

/** Whatever shows groups, their members, or what their members may. */
export const GROUP_LISTS: readonly OperationId[] = ['findGroups', 'getGroup', 'findPortfolios', 'getPortfolio', 'getPerson', 'findPeople'];

interface GroupFormProps {
  opened: boolean;
  onClose: () => void;
  portfolioId: string;
  /** Absent: a new one. */
  group?: Group;
  onCreated?: (id: string) => void;
}

/** Creates a group or renames one. */
export function GroupForm({ opened, onClose, portfolioId, group, onCreated }: GroupFormProps) {
  const t = useTexts();
  const notify = useNotify();
  const [name, setName] = useState('');
  const create = useApiChange('createGroup', { changes: GROUP_LISTS });
  const update = useApiChange('updateGroupOnPortfolioV2', { changes: GROUP_LISTS });
  const gid = group?.id ?? '';
  const newest = useNewest(opened, group, useCallback(() => call('getGroup', { params: { gid } }), [gid]));
  useEffect(() => {
    if (opened) setName(group?.name ?? '');
  }, [opened, group]);
  const submit = async () => {
    const params = { id: portfolioId };
    if (group === undefined) {
      const made = await create.mutateAsync({ params, body: { name: name.trim() } });
      onCreated?.(made.id);
      notify.success(t.groups.created(made.name));
      return;
    }
    const { version } = newest;
    const body = { id: gid, name: name.trim(), ...(version === undefined ? {} : { version }) };
    await newest.send(() => update.mutateAsync({ params, body }));
    notify.success(t.groups.renamed(name.trim()));
  };
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={group === undefined ? t.groups.create : t.groups.rename}
      submitLabel={group === undefined ? t.common.create : t.common.save}
      incomplete={name.trim() === ''}
      onSubmit={submit}
    >
      {(error) => (
        <>
          <StaleNotice other={newest.other} />
          <TextInput
            data-autofocus
            required
            label={t.common.name}
            maxLength={255}
            value={name}
            error={faultOf(error, 'name')}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        </>
      )}
    </FormDialog>
  );
}

export function DeleteGroup({ group, onClose }: { group: Group; onClose: () => void }) {
  const t = useTexts();
  const notify = useNotify();
  const remove = useApiChange('deleteGroup', { changes: GROUP_LISTS, deletes: group.id });
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={t.groups.deleteTitle(group.name)}
      confirmLabel={t.common.delete}
      onConfirm={async () => {
        await remove.mutateAsync({ params: { gid: group.id } });
        notify.success(t.groups.deleted(group.name));
      }}
    >
      <Text size="sm">{t.groups.deleteText}</Text>
    </ConfirmDialog>
  );
}
