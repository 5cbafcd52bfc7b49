/** What somebody's groups allow. Hides what would be refused; the server decides. Pure. */
import type { ApplicationGroupRole, EnvironmentGroupRole, Group, Person } from '@/api/schema';

/** Somebody with their groups and the roles of those. */
export type Me = Person;

export type EnvironmentRole = EnvironmentGroupRole['roles'][number];
export type ApplicationRole = ApplicationGroupRole['roles'][number];

export const ENVIRONMENT_ROLES: readonly EnvironmentRole[] = [
  'READ',
  'LOCK',
  'UNLOCK',
  'CHANGE_VALUE',
  'EXTENDED_DATA',
];
export const APPLICATION_ROLES: readonly ApplicationRole[] = [
  'FEATURE_EDIT',
  'FEATURE_CREATE',
  'FEATURE_EDIT_AND_DELETE',
  'APP_STRATEGY_EDIT',
  'APP_STRATEGY_CREATE',
  'APP_STRATEGY_EDIT_AND_DELETE',
];

export function isSuperuser(me: Me): boolean {
  return me.groups.some((group) => group.admin === true && group.portfolioId === undefined);
}

/** Of this portfolio; superusers are of all. */
export function isPortfolioAdmin(me: Me, portfolioId: string | undefined): boolean {
  return isSuperuser(me) || (portfolioId !== undefined && adminGroups(me).some((g) => g.portfolioId === portfolioId));
}

export function isAnyPortfolioAdmin(me: Me): boolean {
  return isSuperuser(me) || adminGroups(me).length > 0;
}

function adminGroups(me: Me): Group[] {
  return me.groups.filter((group) => group.admin === true);
}

/** Roles in an environment; administrators of its portfolio have all. */
export function environmentRoles(me: Me, environmentId: string, portfolioId?: string): ReadonlySet<EnvironmentRole> {
  if (isPortfolioAdmin(me, portfolioId)) return new Set(ENVIRONMENT_ROLES);
  return new Set(
    me.groups
      .flatMap((group) => group.environmentRoles)
      .filter((given) => given.environmentId === environmentId)
      .flatMap((given) => given.roles),
  );
}

/** Roles in an application; administrators of its portfolio have all. */
export function applicationRoles(me: Me, applicationId: string, portfolioId?: string): ReadonlySet<ApplicationRole> {
  if (isPortfolioAdmin(me, portfolioId)) return new Set(APPLICATION_ROLES);
  return new Set(
    me.groups
      .flatMap((group) => group.applicationRoles)
      .filter((given) => given.applicationId === applicationId)
      .flatMap((given) => given.roles),
  );
}

export function mayCreateFeatures(me: Me, applicationId: string, portfolioId?: string): boolean {
  return intersects(applicationRoles(me, applicationId, portfolioId), 'FEATURE_CREATE', 'FEATURE_EDIT_AND_DELETE');
}

export function mayEditFeatures(me: Me, applicationId: string, portfolioId?: string): boolean {
  return intersects(applicationRoles(me, applicationId, portfolioId), 'FEATURE_EDIT', 'FEATURE_EDIT_AND_DELETE');
}

export function mayDeleteFeatures(me: Me, applicationId: string, portfolioId?: string): boolean {
  return applicationRoles(me, applicationId, portfolioId).has('FEATURE_EDIT_AND_DELETE');
}

function intersects<T>(held: ReadonlySet<T>, ...wanted: T[]): boolean {
  return wanted.some((each) => held.has(each));
}
