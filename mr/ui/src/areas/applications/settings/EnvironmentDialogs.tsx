import { Alert, Checkbox, Select, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import type { OperationId } from '@/api/client';
import { useApiChange } from '@/api/hooks';
import type { Application, Environment } from '@/api/schema';
import { ConfirmDialog, FormDialog, useNotify } from '@/kit';
import { type Named, NamedFields } from '@/kit/NamedFields';
import { useTexts } from '@/texts';

/** Whatever shows environments. */
export const ENVIRONMENT_LISTS: readonly OperationId[] = [
  'findEnvironments',
  'findApplications',
  'getApplication',
  'getEnvironment',
  'summaryApplication',
  'findAllFeatureAndFeatureValuesForEnvironmentsByApplication',
];

interface EnvironmentFormProps {
  opened: boolean;
  onClose: () => void;
  application: Application;
  environments: readonly Environment[];
  /** Absent: a new one. */
  environment?: Environment;
}

interface Value extends Named {
  production: boolean;
  /** After which one; empty = after the last. */
  prior: string;
}

/** Creates an environment, or renames, describes and marks one. */
export function EnvironmentForm({ opened, onClose, application, environments, environment }: EnvironmentFormProps) {
  const t = useTexts().applications.environment;
  const common = useTexts().common;
  const notify = useNotify();
  const [value, setValue] = useState<Value>({ name: '', description: '', production: false, prior: '' });
  const create = useApiChange('createEnvironmentOnApplication', { changes: ENVIRONMENT_LISTS });
  const update = useApiChange('updateEnvironmentOnApplication', { changes: ENVIRONMENT_LISTS });
  useEffect(() => {
    if (!opened) return;
    const { name = '', description = '', production = false } = environment ?? {};
    setValue({ name, description, production, prior: '' });
  }, [opened, environment]);
  const submit = async () => {
    const named = { name: value.name.trim(), description: value.description.trim(), production: value.production };
    const params = { id: application.id };
    if (environment === undefined) {
      const after = value.prior === '' ? {} : { priorEnvironmentId: value.prior };
      await create.mutateAsync({ params, body: { ...named, ...after } });
      notify.success(t.created(named.name));
    } else {
      await update.mutateAsync({ params, body: { id: environment.id, version: environment.version ?? 0, ...named } });
      notify.success(t.changed(named.name));
    }
  };
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={environment === undefined ? t.create : t.edit}
      submitLabel={environment === undefined ? common.create : common.save}
      incomplete={value.name.trim() === ''}
      onSubmit={submit}
    >
      {(error) => (
        <>
          <NamedFields
            value={value}
            onChange={(named) => setValue({ ...value, ...named })}
            error={error}
            nameMax={150}
            descriptionMax={400}
          />
          <Checkbox
            label={t.productionField}
            description={t.productionHint}
            checked={value.production}
            onChange={(event) => setValue({ ...value, production: event.currentTarget.checked })}
          />
          {environment === undefined && environments.length > 0 && (
            <Select
              label={t.after}
              data={[{ value: '', label: t.afterLast }, ...environments.map(({ id, name }) => ({ value: id, label: name }))]}
              value={value.prior}
              allowDeselect={false}
              onChange={(prior) => setValue({ ...value, prior: prior ?? '' })}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}

class NotDeleted extends Error {}

/** Asks for the name first, whatever the environment is for: it cannot be brought back. */
export function DeleteEnvironment({ environment, onClose }: { environment: Environment; onClose: () => void }) {
  const t = useTexts().applications.environment;
  const common = useTexts().common;
  const notify = useNotify();
  const remove = useApiChange('deleteEnvironment', { changes: ENVIRONMENT_LISTS });
  return (
    <ConfirmDialog
      opened
      onClose={onClose}
      title={t.deleteTitle(environment.name)}
      confirmLabel={common.delete}
      typed={environment.name}
      onConfirm={async () => {
        const done = await remove.mutateAsync({ params: { eid: environment.id } });
        // Refused and gone are no error to this operation.
        if (!done) throw new NotDeleted(t.notDeleted);
        notify.success(t.deleted(environment.name));
      }}
    >
      <Text size="sm">{t.deleteText}</Text>
      {environment.production === true && (
        <Alert color="orange" icon={<IconAlertTriangle />} mt="sm">
          {t.deleteProduction}
        </Alert>
      )}
    </ConfirmDialog>
  );
}
