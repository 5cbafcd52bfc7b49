/**
 * What somebody is editing of one feature in one environment, apart from how it is shown or saved.
 *
 * A draft holds the five parts that the server merges one by one: lock, retirement, default value, custom
 * strategies and uses of application strategies.
 */
import { fromWire as servedFromWire, sameServed, toWire as servedToWire } from './served';
import type { FeatureType, FeatureValue, FeatureValueInput, Served, Strategy } from './wire';
import {
  fromWire as strategyFromWire,
  sameStrategy,
  toWire as strategyToWire,
  type StrategyDraft,
} from '../strategies/draft';

export interface CustomDraft extends StrategyDraft {
  value: Served;
}

export interface UseDraft {
  strategyId: string;
  name: string;
  value: Served;
  disabled: boolean;
}

export interface Draft {
  locked: boolean;
  retired: boolean;
  value: Served;
  custom: CustomDraft[];
  uses: UseDraft[];
}

/** What SDKs get while a feature has no row in an environment. */
export function emptyDraft(type: FeatureType): Draft {
  return {
    locked: type === 'BOOLEAN',
    retired: false,
    value: type === 'BOOLEAN' ? false : null,
    custom: [],
    uses: [],
  };
}

export function draftOf(type: FeatureType, value: FeatureValue | undefined): Draft {
  if (value === undefined) return emptyDraft(type);
  return {
    locked: value.locked,
    retired: value.retired,
    value: servedFromWire(type, value.value),
    custom: value.rolloutStrategies.map((strategy) => customOf(type, strategy)),
    uses: value.rolloutStrategyInstances.map((use) => ({
      strategyId: use.strategyId,
      name: use.name ?? '',
      value: servedFromWire(type, use.value),
      disabled: use.disabled,
    })),
  };
}

export function customOf(type: FeatureType, strategy: Strategy): CustomDraft {
  return { ...strategyFromWire(strategy), value: servedFromWire(type, strategy.value) };
}

/** The body that saves a draft which was made from that version (0: there was no value yet). */
export function toWire(
  draft: Draft,
  place: { key: string; environmentId: string; version: number },
): FeatureValueInput {
  return {
    key: place.key,
    environmentId: place.environmentId,
    version: place.version,
    locked: draft.locked,
    retired: draft.retired,
    value: servedToWire(draft.value),
    rolloutStrategies: draft.custom.map((each) => ({ ...strategyToWire(each), value: servedToWire(each.value) })),
    rolloutStrategyInstances: draft.uses.map((use) => ({
      strategyId: use.strategyId,
      value: servedToWire(use.value),
      disabled: use.disabled,
    })),
  };
}

export function sameCustom(type: FeatureType, one: CustomDraft, other: CustomDraft): boolean {
  return sameStrategy(one, other) && sameServed(type, one.value, other.value);
}

export function sameUse(type: FeatureType, one: UseDraft, other: UseDraft): boolean {
  return (
    one.strategyId === other.strategyId && one.disabled === other.disabled && sameServed(type, one.value, other.value)
  );
}

function sameList<T>(one: readonly T[], other: readonly T[], same: (a: T, b: T) => boolean): boolean {
  return one.length === other.length && one.every((each, index) => same(each, other[index] as T));
}

export function sameDraft(type: FeatureType, one: Draft, other: Draft): boolean {
  return (
    one.locked === other.locked &&
    one.retired === other.retired &&
    sameServed(type, one.value, other.value) &&
    sameList(one.custom, other.custom, (a, b) => a.id === b.id && sameCustom(type, a, b)) &&
    sameList(one.uses, other.uses, (a, b) => sameUse(type, a, b))
  );
}

/** A copy with the element at one place moved to another. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const next = [...list];
  const [taken] = next.splice(from, 1);
  if (taken !== undefined) next.splice(to, 0, taken);
  return next;
}
