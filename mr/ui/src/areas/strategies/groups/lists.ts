import type { OperationId } from '@/api/client';

/** Whatever shows feature groups, or values that they decide. */
export const FEATURE_GROUP_LISTS: readonly OperationId[] = [
  'listFeatureGroups',
  'getFeatureGroup',
  'getAllFeatureValuesByApplicationForKey',
  'findAllFeatureAndFeatureValuesForEnvironmentsByApplication',
];
