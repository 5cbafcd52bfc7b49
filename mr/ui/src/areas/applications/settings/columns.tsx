/** What permission matrices have in common: their columns by role, and their rows by environment. */
import { useMemo } from 'react';
import type { Application } from '@/api/schema';
import { ENVIRONMENT_ROLES, type EnvironmentRole } from '@/app/permissions';
import { ProductionMark } from '@/kit/ProductionMark';
import { useTexts } from '@/texts';
import type { MatrixColumn, MatrixRow } from './PermissionMatrix';

export function useEnvironmentColumns(): readonly MatrixColumn<EnvironmentRole>[] {
  const t = useTexts().applications.matrix;
  return useMemo(
    () => ENVIRONMENT_ROLES.map((role) => ({ role, label: t.roles[role], hint: t.roleHints[role] })),
    [t],
  );
}

export function environmentRows(application: Application): MatrixRow[] {
  return application.environments.map((each) => ({
    id: each.id,
    label: each.name,
    mark: <ProductionMark environment={each} />,
  }));
}
