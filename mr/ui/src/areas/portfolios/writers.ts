import type { Me } from '@/app/permissions';
import { isPortfolioAdmin } from '@/app/permissions';

const FEATURE_ROLES: ReadonlySet<string> = new Set(['FEATURE_EDIT', 'FEATURE_CREATE', 'FEATURE_EDIT_AND_DELETE']);

/** Whoever works on features in any application of the portfolio may make and change its filters. */
export function mayWriteFilters(me: Me, portfolioId: string): boolean {
  if (isPortfolioAdmin(me, portfolioId)) return true;
  return me.groups
    .filter((group) => group.portfolioId === portfolioId)
    .some((group) => group.applicationRoles.some((given) => given.roles.some((role) => FEATURE_ROLES.has(role))));
}
