/** Which answers are not true any more when an object of some kind has changed. Pure. */
import type { OperationId } from '@/api/client';
import type { LiveChange } from '@/api/schema';

const PLACES: OperationId[] = ['findPortfolios', 'getPortfolio', 'findApplications', 'getApplication'];
const SETUP: OperationId[] = ['summaryApplication'];
/** The table of an application; too big to be asked for again because of one value (the grid hears `news.ts`). */
const TABLE: OperationId[] = ['findAllFeatureAndFeatureValuesForEnvironmentsByApplication'];
const OF_VALUES: OperationId[] = [
  'getAllFeatureValuesByApplicationForKey',
  'getFeaturesForEnvironment',
  'getFeatureForEnvironment',
  'listFeatureHistory',
  'evaluateFeatures',
];
const VALUES: OperationId[] = [...TABLE, ...OF_VALUES];
const FEATURES: OperationId[] = ['getAllFeaturesForApplication', 'getFeatureByKey', ...VALUES];
const GROUPS: OperationId[] = ['listFeatureGroups', 'getFeatureGroup', 'getFeatureGroupFeatures'];
const STRATEGIES: OperationId[] = ['listApplicationStrategies', 'getApplicationStrategy'];
const FILTERS: OperationId[] = ['findFeatureFilters', 'getFeatureFilter', 'getMatchingFilters'];
const ACCOUNTS: OperationId[] = ['searchServiceAccountsInPortfolio', 'getServiceAccount'];
const ENVIRONMENTS: OperationId[] = ['findEnvironments', 'getEnvironment', 'listWebhooks'];

const BY_KIND: Readonly<Record<string, readonly OperationId[]>> = {
  organization: ['getPortfolio'],
  portfolio: PLACES,
  application: [...PLACES, ...SETUP, ...ACCOUNTS],
  environment: [...PLACES, ...ENVIRONMENTS, ...SETUP, ...VALUES, ...GROUPS, ...ACCOUNTS],
  feature: [...FEATURES, ...SETUP, ...GROUPS, ...FILTERS, 'findApplications'],
  'feature-value': [...OF_VALUES, ...GROUPS, ...STRATEGIES],
  'feature-filter': [...FILTERS, 'getAllFeaturesForApplication', 'getFeatureByKey', ...ACCOUNTS],
  'feature-group': [...GROUPS, ...VALUES],
  'application-strategy': [...STRATEGIES, ...VALUES],
  group: ['findGroups', 'getGroup', 'findPeople', 'getPerson', 'getPortfolio', ...SETUP, ...ENVIRONMENTS],
  'service-account': [...ACCOUNTS, ...FILTERS, ...SETUP, 'getEnvironment', 'applicationPermissions'],
  person: ['findPeople', 'getPerson', 'findGroups', 'getGroup'],
  'system-config': ['getSystemConfig'],
};

/** Kinds of which a change is felt within its application alone. */
const WITHIN_APPLICATION: ReadonlySet<string> = new Set(['feature-value', 'feature-group']);
const AN_ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;

/**
 * Whether the answer of a query, by its key (`[operationId, params]`), may be another after these changes. What
 * is not known here may be.
 */
export function affects(changes: readonly LiveChange[]): (key: readonly unknown[]) => boolean {
  return ([operation, params]) => {
    // Every change is in the audit.
    if (operation === 'findAuditEntries') return true;
    const asked = JSON.stringify(params ?? null);
    return changes.some((change) => {
      const operations = BY_KIND[change.kind];
      if (operations === undefined) return true;
      if (!(operations as readonly unknown[]).includes(operation)) return false;
      return !WITHIN_APPLICATION.has(change.kind) || !AN_ID.test(asked) || idsOf(change).some((id) => asked.includes(id));
    });
  };
}

function idsOf(change: LiveChange): string[] {
  return [change.id, change.environmentId, change.applicationId, change.portfolioId].filter((id) => id !== undefined);
}
