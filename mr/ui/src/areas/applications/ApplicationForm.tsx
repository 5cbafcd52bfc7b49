import { useCallback, useEffect, useState } from 'react';
import { call } from '@/api/client';
import { useApiChange } from '@/api/hooks';
import type { Application } from '@/api/schema';
import { usePlace } from '@/app/place';
import { FormDialog, useNotify } from '@/kit';
import { type Named, NamedFields } from '@/kit/NamedFields';
import { StaleNotice, useNewest } from '@/kit/newest';
import { useTexts } from '@/texts';

const CHANGED = ['findApplications', 'getApplication', 'findPortfolios', 'getPortfolio'] as const;

interface ApplicationFormProps {
  opened: boolean;
  onClose: () => void;
  portfolioId: string;
  /** Absent: a new one. */
  application?: Application;
}

/** Creates an application, or renames and describes one. */
export function ApplicationForm({ opened, onClose, portfolioId, application }: ApplicationFormProps) {
  const t = useTexts();
  const notify = useNotify();
  const { chooseApplication } = usePlace();
  const [value, setValue] = useState<Named>({ name: '', description: '' });
  const create = useApiChange('createApplication', { changes: [...CHANGED, 'getPerson'] });
  const update = useApiChange('updateApplicationOnPortfolio', { changes: CHANGED });
  const appId = application?.id ?? '';
  const newest = useNewest(opened, application, useCallback(() => call('getApplication', { params: { appId } }), [appId]));
  useEffect(() => {
    if (opened) setValue({ name: application?.name ?? '', description: application?.description ?? '' });
  }, [opened, application]);
  const submit = async () => {
    const named = { name: value.name.trim(), description: value.description.trim() };
    if (application === undefined) {
      const made = await create.mutateAsync({ params: { id: portfolioId }, body: named });
      chooseApplication(made.id);
      notify.success(t.applications.created(made.name));
      return;
    }
    const { version } = newest;
    const body = { id: application.id, ...named, ...(version === undefined ? {} : { version }) };
    await newest.send(() => update.mutateAsync({ params: { id: portfolioId }, body }));
    notify.success(t.applications.changed(named.name));
  };
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={application === undefined ? t.applications.create : t.applications.rename}
      submitLabel={application === undefined ? t.common.create : t.common.save}
      incomplete={value.name.trim() === ''}
      onSubmit={submit}
    >
      {(error) => (
        <>
          <StaleNotice other={newest.other} />
          <NamedFields
            value={value}
            onChange={setValue}
            error={error}
            nameMax={100}
            descriptionMax={400}
            nameHint={t.applications.nameHint}
          />
        </>
      )}
    </FormDialog>
  );
}
