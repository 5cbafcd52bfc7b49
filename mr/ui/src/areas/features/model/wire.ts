/**
 * Names of this area for the wire types of the public API.
 *
 * Everything here follows from the generated schema; nothing is declared a second time.
 */
import type * as api from '@/api/schema';

export type Feature = api.Feature;
export type FeatureType = api.CreateFeature['valueType'];
export type FeatureValue = api.FeatureValue;
export type FeatureValueInput = api.FeatureValueInput;
export type Strategy = api.RolloutStrategy;
export type StrategyInput = api.RolloutStrategyInput;
export type Attribute = api.RolloutStrategyAttribute;
export type AttributeInput = api.RolloutStrategyAttributeInput;
export type Conditional = NonNullable<Attribute['conditional']>;
export type FieldType = NonNullable<Attribute['type']>;
export type GroupStrategy = api.ThinGroupRolloutStrategy;
export type Table = api.ApplicationFeatureValues;
export type TableEnvironment = api.EnvironmentFeatureValues;
export type Environment = api.Environment;
export type HistoryItem = api.FeatureHistoryValue;
export type Role = TableEnvironment['roles'][number];
export type StrategyViolations = api.RolloutStrategyValidationResponse;
export type Violation = api.RolloutStrategyViolation['violation'];

/** What a feature serves: booleans as such, numbers as their text, JSON documents as their text. */
export type Served = boolean | string | null;

export const FEATURE_TYPES: readonly FeatureType[] = ['BOOLEAN', 'STRING', 'NUMBER', 'JSON'];
