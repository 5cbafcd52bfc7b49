/** Choosing one of the environments that somebody may read. */
import { Select } from '@mantine/core';
import { useApi } from '@/api/hooks';
import type { Application, Environment } from '@/api/schema';
import { environmentRoles } from '@/app/permissions';
import { usePlace } from '@/app/place';
import { useMe } from '@/app/session';
import { useTexts } from '@/texts';

export interface Readable {
  environments: readonly Environment[];
  loading: boolean;
  error: Error | null;
  retry: () => void;
}

/** Those of an application, in their order of promotion. */
export function useReadable(application: Application): Readable {
  const me = useMe();
  const { portfolioId } = usePlace();
  const found = useApi('findEnvironments', { id: application.id, order: 'PRIORITY' });
  const environments = (found.data ?? []).filter((each) => environmentRoles(me, each.id, portfolioId).size > 0);
  return { environments, loading: found.isPending, error: found.error, retry: () => void found.refetch() };
}

interface EnvironmentSelectProps {
  environments: readonly Environment[];
  value: string;
  onChange: (id: string) => void;
}

export function EnvironmentSelect({ environments, value, onChange }: EnvironmentSelectProps) {
  const t = useTexts();
  return (
    <Select
      label={t.insight.environment}
      data={environments.map(({ id, name }) => ({ value: id, label: name }))}
      value={value}
      allowDeselect={false}
      onChange={(id) => id !== null && onChange(id)}
    />
  );
}
