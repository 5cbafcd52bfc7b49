/** A new feature, for all environments at once. */
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { call } from '@/api/client';
import { invalidate } from '@/api/hooks';
import { hasStatus } from '@/api/problem';
import type { Application, CreateFeature as Body } from '@/api/schema';
import { FormDialog, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { TABLE } from '../model/saving';
import { complete, Fields, NEW } from './fields';

export function CreateFeature({ application, onClose }: { application: Application; onClose: () => void }) {
  const t = useTexts();
  const words = t.features.form;
  const client = useQueryClient();
  const notify = useNotify();
  const [value, setValue] = useState(NEW);
  const create = async () => {
    const body: Body = {
      name: value.name.trim(),
      key: value.key.trim(),
      valueType: value.type,
      description: value.description.trim(),
      ...(value.link.trim() === '' ? {} : { link: value.link.trim() }),
      ...(value.filters.length === 0 ? {} : { featureFilter: value.filters }),
    };
    await call('createFeaturesForApplication', { params: { id: application.id }, body });
    await invalidate(client, TABLE, 'getAllFeaturesForApplication', 'summaryApplication', 'findApplications');
    notify.success(value.type === 'BOOLEAN' ? words.created(body.name) : words.createdValue(body.name));
  };
  return (
    <FormDialog
      opened
      onClose={onClose}
      title={words.createTitle}
      submitLabel={t.common.create}
      onSubmit={create}
      incomplete={!complete(value)}
      size="lg"
    >
      {(error) => (
        <Fields
          value={value}
          onChange={setValue}
          error={error}
          portfolioId={application.portfolioId ?? ''}
          fresh
          taken={hasStatus(error, 409)}
        />
      )}
    </FormDialog>
  );
}
