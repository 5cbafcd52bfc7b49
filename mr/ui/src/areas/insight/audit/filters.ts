/** What is searched for in the audit: all of it stands in the address. */
import type { Params } from '@/api/client';
import { type Search, useGo, useSearchParams } from '@/app/navigate';

export const NAMES = [
  'actor',
  'objectId',
  'feature',
  'kind',
  'action',
  'inPortfolio',
  'inApplication',
  'inEnvironment',
  'since',
  'until',
] as const;
export type FilterName = (typeof NAMES)[number];
export type Filters = Readonly<Partial<Record<FilterName, string>>>;

export const KINDS = [
  'feature-value',
  'feature',
  'feature-group',
  'feature-filter',
  'application-strategy',
  'environment',
  'application',
  'portfolio',
  'service-account',
  'group',
  'person',
  'organization',
  'system-config',
] as const;
export type Kind = (typeof KINDS)[number];

export const ACTIONS = ['create', 'update', 'delete', 'restore'] as const;
export type Action = (typeof ACTIONS)[number];

export function isKind(text: string): text is Kind {
  return (KINDS as readonly string[]).includes(text);
}

/** The filters and how to change some of them; `undefined` takes one away. */
export function useFilters(): [Filters, (change: Partial<Record<FilterName, string | undefined>>) => void] {
  const go = useGo();
  const search = useSearchParams();
  const filters = Object.fromEntries(
    NAMES.map((name) => [name, search[name]] as const).filter(([, value]) => value !== undefined && value !== ''),
  ) as Filters;
  const change = (next: Partial<Record<FilterName, string | undefined>>) =>
    void go('/audit', { search: { ...search, ...next } as Search, replace: true });
  return [filters, change];
}

/** The same as the server takes it. A moment without a zone is the reader's. */
export function wanted(filters: Filters): Params<'findAuditEntries'> {
  const given = {
    personId: filters.actor,
    objectId: filters.objectId,
    featureId: filters.feature,
    objectKind: filters.kind,
    action: filters.action,
    portfolioId: filters.inPortfolio,
    applicationId: filters.inApplication,
    environmentId: filters.inEnvironment,
    since: moment(filters.since),
    until: moment(filters.until),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function moment(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
