/** Which answers are not true any more when an object of some kind has changed. Pure. */
import type { OperationId } from '@/api/client';

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

/** The operations to ask again; null = whatever is shown, since the kind is not known here. */
export function affected(kinds: Iterable<string>): OperationId[] | null {
  // Every change is in the audit.
  const found = new Set<OperationId>(['findAuditEntries']);
  for (const kind of kinds) {
    const operations = BY_KIND[kind];
    if (operations === undefined) return null;
    for (const operation of operations) found.add(operation);
  }
  return [...found];
}
