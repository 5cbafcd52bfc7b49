/** A feature group while it is edited: its features with the values it serves, and its strategy. Pure. */
import type { FeatureGroup, FeatureGroupFeature, FeatureGroupUpdateInput, GroupRolloutStrategyInput } from '@/api/schema';
import { fromWire as valueFromWire, sameServed, toWire as valueToWire, valueFault } from '../../features/model/served';
import type { FeatureType, Served } from '../../features/model/wire';
import { fromWire, type StrategyDraft, sameStrategy, toWire } from '../../features/strategies';

export interface GroupedFeature {
  id: string;
  key: string;
  name: string;
  type: FeatureType;
  locked: boolean;
  value: Served;
}

export interface GroupDraft {
  features: readonly GroupedFeature[];
  strategy: StrategyDraft | null;
}

/** A feature as it joins a group: with its value in the environment. */
export function joined(feature: FeatureGroupFeature): GroupedFeature {
  const { id, key, name, type, locked } = feature;
  const value = valueFromWire(type, feature.value);
  return { id, key, name, type, locked, value: type === 'BOOLEAN' && value === null ? false : value };
}

export function draftOf(group: FeatureGroup): GroupDraft {
  const first = group.strategies?.[0];
  return {
    features: group.features.map(joined),
    strategy: first === undefined ? null : fromWire(first),
  };
}

export function sameFeatures(one: GroupDraft, other: GroupDraft): boolean {
  return (
    one.features.length === other.features.length &&
    one.features.every((each) => {
      const match = other.features.find(({ id }) => id === each.id);
      return match !== undefined && sameServed(each.type, each.value, match.value);
    })
  );
}

export function sameGroupStrategy(one: GroupDraft, other: GroupDraft): boolean {
  if (one.strategy === null || other.strategy === null) return one.strategy === other.strategy;
  return sameStrategy(one.strategy, other.strategy);
}

export function sameGroup(one: GroupDraft, other: GroupDraft): boolean {
  return sameFeatures(one, other) && sameGroupStrategy(one, other);
}

export function isComplete(draft: GroupDraft): boolean {
  return draft.features.every((each) => valueFault(each.type, each.value) === null);
}

/** Only what differs is sent, so that the rest stays as somebody else may have made it. */
export function updateOf(stored: FeatureGroup, draft: GroupDraft): FeatureGroupUpdateInput {
  const before = draftOf(stored);
  // Others than the first come from other clients, and stay.
  const rest: GroupRolloutStrategyInput[] = stored.strategies?.slice(1) ?? [];
  const strategies = draft.strategy === null ? rest : [toWire(draft.strategy), ...rest];
  return {
    id: stored.id,
    version: stored.version,
    ...(sameFeatures(before, draft)
      ? {}
      : { features: draft.features.map(({ id, value }) => ({ id, value: valueToWire(value) })) }),
    ...(sameGroupStrategy(before, draft) ? {} : { strategies }),
  };
}

/**
 * What is edited, when somebody else saved first: every part that was changed here as it was changed, all
 * others as they are now.
 */
export function rebased(before: GroupDraft, mine: GroupDraft, theirs: GroupDraft): GroupDraft {
  const old = byId(before.features);
  const now = byId(theirs.features);
  const own = byId(mine.features);
  const kept = theirs.features.filter((each) => own.has(each.id) || !old.has(each.id));
  const features = kept.map((each) => {
    const edited = own.get(each.id);
    const was = old.get(each.id);
    if (edited === undefined || (was !== undefined && sameServed(each.type, was.value, edited.value))) return each;
    return { ...each, value: edited.value };
  });
  const added = mine.features.filter((each) => !old.has(each.id) && !now.has(each.id));
  const strategy = sameGroupStrategy(before, mine) ? theirs.strategy : mine.strategy;
  return { features: [...features, ...added], strategy };
}

function byId(features: readonly GroupedFeature[]): Map<string, GroupedFeature> {
  return new Map(features.map((each) => [each.id, each]));
}

export interface FeatureChange {
  feature: GroupedFeature;
  kind: 'added' | 'removed' | 'changed';
  before: Served;
}

/** What saving would do to the features. */
export function featureChanges(before: GroupDraft, after: GroupDraft): FeatureChange[] {
  const old = new Map(before.features.map((each) => [each.id, each]));
  const kept = new Set(after.features.map((each) => each.id));
  const changes: FeatureChange[] = [];
  for (const feature of after.features) {
    const was = old.get(feature.id);
    if (was === undefined) changes.push({ feature, kind: 'added', before: null });
    else if (!sameServed(feature.type, was.value, feature.value)) changes.push({ feature, kind: 'changed', before: was.value });
  }
  for (const feature of before.features) {
    if (!kept.has(feature.id)) changes.push({ feature, kind: 'removed', before: feature.value });
  }
  return changes;
}
