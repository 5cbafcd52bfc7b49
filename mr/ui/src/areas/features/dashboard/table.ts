/**
 * The grid's data: one application's features and, by environment, their values.
 *
 * Built once per answer, so that a cell is two look-ups. Pure.
 */
import { type Rights, rightsOf } from '../model/rights';
import { fromWire } from '../model/served';
import type { Environment, Feature, FeatureType, FeatureValue, Served, Table } from '../model/wire';

export interface GridFeature {
  id: string;
  key: string;
  name: string;
  type: FeatureType;
  description: string;
  /** What a search looks at, in lower case. */
  sought: string;
}

export interface GridEnvironment {
  id: string;
  name: string;
  production: boolean;
  rights: Rights;
  /** By feature key. */
  values: ReadonlyMap<string, FeatureValue>;
}

export interface GridData {
  features: readonly GridFeature[];
  environments: readonly GridEnvironment[];
  total: number;
}

export function gridFeature(feature: Feature): GridFeature {
  const key = feature.key ?? '';
  return {
    id: feature.id ?? key,
    key,
    name: feature.name,
    type: feature.valueType ?? 'BOOLEAN',
    description: feature.description ?? '',
    sought: `${key}\n${feature.name}`.toLowerCase(),
  };
}

export function gridData(table: Table, details: readonly Environment[], applicationRoles: readonly string[]): GridData {
  const production = new Set(details.filter((each) => each.production === true).map((each) => each.id));
  return {
    features: table.features.map(gridFeature),
    environments: table.environments.map((each) => ({
      id: each.environmentId,
      name: each.environmentName,
      production: production.has(each.environmentId),
      rights: rightsOf(each.roles, applicationRoles),
      values: new Map(each.features.map((value) => [value.key, value])),
    })),
    total: table.maxFeatures,
  };
}

/** Features whose key or name contains every word. */
export function search(
  features: readonly GridFeature[],
  text: string,
  types: ReadonlySet<string>,
): readonly GridFeature[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  if (words.length === 0 && types.size === 0) return features;
  return features.filter(
    (each) => (types.size === 0 || types.has(each.type)) && words.every((word) => each.sought.includes(word)),
  );
}

export type CellState = 'hidden' | 'on' | 'off' | 'set' | 'none';

export interface CellModel {
  state: CellState;
  served: Served;
  locked: boolean;
  retired: boolean;
  strategies: number;
  version: number;
}

const HIDDEN: CellModel = { state: 'hidden', served: null, locked: false, retired: false, strategies: 0, version: 0 };
const UNSET: CellModel = { state: 'none', served: null, locked: false, retired: false, strategies: 0, version: 0 };

export function cellOf(feature: GridFeature, environment: GridEnvironment): CellModel {
  if (!environment.rights.read) return HIDDEN;
  const value = environment.values.get(feature.key);
  if (value === undefined) return UNSET;
  const served = fromWire(feature.type, value.value);
  const strategies =
    value.rolloutStrategies.length + value.rolloutStrategyInstances.length + value.featureGroupStrategies.length;
  return {
    state: served === null ? 'none' : feature.type === 'BOOLEAN' ? (served === true ? 'on' : 'off') : 'set',
    served,
    locked: value.locked,
    retired: value.retired,
    strategies,
    version: value.version,
  };
}

const LONGEST = 60;

/** A value as it fits into a cell. Looks at the beginning only: documents may be long. */
export function shortText(served: Served): string {
  const text = String(served)
    .slice(0, 4 * LONGEST)
    .replace(/\s+/g, ' ')
    .trim();
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** Put one saved value into an answer, leaving everything else as it is. */
export function withValue(table: Table, environmentId: string, value: FeatureValue): Table {
  return {
    ...table,
    environments: table.environments.map((each) =>
      each.environmentId !== environmentId
        ? each
        : {
            ...each,
            features: each.features.some((old) => old.key === value.key)
              ? each.features.map((old) => (old.key === value.key ? value : old))
              : [...each.features, value],
          },
    ),
  };
}
