import type { OperationId } from '@/api/client';
import type { ListApplicationRolloutStrategyItem } from '@/api/schema';

/** How many values use a strategy. */
export function usedBy(item: ListApplicationRolloutStrategyItem | undefined): number {
  return (item?.usage ?? []).reduce((count, each) => count + each.featuresCount, 0);
}

/** Whatever shows strategies of an application, or values that they decide. */
export const STRATEGY_LISTS: readonly OperationId[] = [
  'listApplicationStrategies',
  'getApplicationStrategy',
  'getAllFeatureValuesByApplicationForKey',
  'findAllFeatureAndFeatureValuesForEnvironmentsByApplication',
  'listFeatureHistory',
];
