/** What keeps a draft from being saved, as far as it can be told without the server. Pure. */
import type { Draft } from '../model/draft';
import { valueFault, type ValueFault } from '../model/served';
import type { FeatureType } from '../model/wire';
import { exceedsEverybody, strategyFault } from '../strategies/rules';

export interface DraftFaults {
  value: ValueFault | null;
  /** Ids of custom strategies that are not complete. */
  incomplete: ReadonlySet<string>;
  /** Ids of strategies, custom or of the application, whose value is none. */
  values: ReadonlySet<string>;
  over: boolean;
}

export function draftFaults(type: FeatureType, draft: Draft): DraftFaults | null {
  const incomplete = new Set(draft.custom.filter((each) => strategyFault(each) !== null).map((each) => each.id));
  const values = new Set([
    ...draft.custom.filter((each) => valueFault(type, each.value) !== null).map((each) => each.id),
    ...draft.uses.filter((each) => valueFault(type, each.value) !== null).map((each) => each.strategyId),
  ]);
  const found = { value: valueFault(type, draft.value), incomplete, values, over: exceedsEverybody(draft.custom) };
  return found.value === null && incomplete.size === 0 && values.size === 0 && !found.over ? null : found;
}
