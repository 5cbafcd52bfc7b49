/** Where the object of an entry is found in the interface. Pure. */
import type { AuditObject } from '@/api/schema';
import type { Search } from '@/app/navigate';

export interface Target {
  to: string;
  search: Search;
}

export function linkTo(object: AuditObject): Target | null {
  const place: Search = { portfolio: object.portfolioId, application: object.applicationId };
  switch (object.kind) {
    case 'feature':
      return { to: '/feature-dashboard', search: { ...place, q: object.name } };
    case 'feature-value':
      return { to: '/feature-values', search: { ...place, feature: object.name, environment: object.environmentId } };
    case 'feature-group':
      return { to: '/feature-groups', search: { ...place, environment: object.environmentId } };
    case 'application-strategy':
      return { to: '/edit-application-strategy', search: { ...place, id: object.id } };
    case 'application':
      return { to: '/applications', search: { portfolio: object.portfolioId } };
    case 'environment':
      return { to: '/app-settings/environments', search: place };
    case 'feature-filter':
      return { to: '/feature-filters', search: place };
    case 'service-account':
      return { to: '/service-accounts', search: { ...place, q: object.name } };
    case 'group':
      return { to: '/groups', search: { ...place, group: object.id } };
    case 'portfolio':
      return { to: '/portfolios', search: { q: object.name } };
    case 'person':
      // Accounts for scripts are people to the audit; this page knows, and sends them on to theirs.
      return { to: `/manage-user/${object.id}`, search: {} };
    case 'system-config':
      return { to: '/system-config', search: {} };
    default:
      return null;
  }
}
