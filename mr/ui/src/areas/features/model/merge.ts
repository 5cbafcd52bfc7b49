/**
 * The three-way comparison of what somebody edited: base, theirs (saved meanwhile), mine.
 *
 * The same parts and rules as the server's merge, so that what this page calls a conflict is what the
 * server refuses. A part that only one side changed is taken over without asking.
 */
import { sameCustom, sameUse, type CustomDraft, type Draft, type UseDraft } from './draft';
import { sameServed } from './served';
import type { FeatureType } from './wire';

export type PartKind = 'locked' | 'retired' | 'value' | 'custom' | 'use' | 'customOrder' | 'useOrder';
export type Side = 'mine' | 'theirs';

export interface Part {
  /** Unique within one comparison, e.g. `custom:ab12`. */
  id: string;
  kind: PartKind;
  base: unknown;
  mine: unknown;
  theirs: unknown;
  /** `same`: nobody changed it, or both alike. */
  state: 'same' | 'mine' | 'theirs' | 'conflict';
}

type Same<T> = (one: T, other: T) => boolean;

function part<T>(id: string, kind: PartKind, base: T, mine: T, theirs: T, same: Same<T>): Part {
  const state = same(mine, theirs) ? 'same' : same(mine, base) ? 'theirs' : same(base, theirs) ? 'mine' : 'conflict';
  return { id, kind, base, mine, theirs, state };
}

function orMissing<T>(same: Same<T>): Same<T | undefined> {
  return (one, other) => one === other || (one !== undefined && other !== undefined && same(one, other));
}

const equal = (one: unknown, other: unknown) => one === other;
const equalLists: Same<readonly string[]> = (one, other) =>
  one.length === other.length && one.every((each, index) => each === other[index]);

function byKey<T>(list: readonly T[], key: (each: T) => string): Map<string, T> {
  return new Map(list.map((each) => [key(each), each]));
}

const customKey = (each: CustomDraft) => each.id;
const useKey = (each: UseDraft) => each.strategyId;

function listParts<T>(
  kind: 'custom' | 'use',
  lists: { base: readonly T[]; mine: readonly T[]; theirs: readonly T[] },
  key: (each: T) => string,
  same: Same<T>,
): Part[] {
  const [base, mine, theirs] = [byKey(lists.base, key), byKey(lists.mine, key), byKey(lists.theirs, key)];
  const keys = new Set([...base.keys(), ...mine.keys(), ...theirs.keys()]);
  const parts = [...keys].map((each) =>
    part(`${kind}:${each}`, kind, base.get(each), mine.get(each), theirs.get(each), orMissing(same)),
  );
  const everywhere = (list: readonly T[]) =>
    list.map(key).filter((each) => base.has(each) && mine.has(each) && theirs.has(each));
  const order = part(
    `${kind}:order`,
    kind === 'custom' ? 'customOrder' : 'useOrder',
    everywhere(lists.base),
    everywhere(lists.mine),
    everywhere(lists.theirs),
    equalLists,
  );
  return [...parts, order];
}

/** Compare part by part; the order is that of the editor. */
export function compare(type: FeatureType, base: Draft, mine: Draft, theirs: Draft): Part[] {
  return [
    part('value', 'value', base.value, mine.value, theirs.value, (a, b) => sameServed(type, a, b)),
    part('locked', 'locked', base.locked, mine.locked, theirs.locked, equal),
    part('retired', 'retired', base.retired, mine.retired, theirs.retired, equal),
    ...listParts('custom', { base: base.custom, mine: mine.custom, theirs: theirs.custom }, customKey, (a, b) =>
      sameCustom(type, a, b),
    ),
    ...listParts('use', { base: base.uses, mine: mine.uses, theirs: theirs.uses }, useKey, (a, b) =>
      sameUse(type, a, b),
    ),
  ];
}

export function conflicts(parts: readonly Part[]): Part[] {
  return parts.filter((each) => each.state === 'conflict');
}

/** What saving again means: their value with my changes on it, and the choice where both changed a part. */
export function resolve(parts: readonly Part[], mine: Draft, theirs: Draft, chosen: ReadonlyMap<string, Side>): Draft {
  const side = (each: Part): Side =>
    each.state === 'conflict' ? (chosen.get(each.id) ?? 'mine') : each.state === 'mine' ? 'mine' : 'theirs';
  const find = (id: string) => parts.find((each) => each.id === id);
  const pick = <T>(id: string, fallback: T): T => {
    const found = find(id);
    return found === undefined ? fallback : ((side(found) === 'mine' ? found.mine : found.theirs) as T);
  };
  const list = <T>(
    kind: 'custom' | 'use',
    mineList: readonly T[],
    theirList: readonly T[],
    key: (each: T) => string,
  ) => {
    const order = find(`${kind}:order`);
    const leading = order !== undefined && side(order) === 'mine' ? mineList : theirList;
    const other = leading === mineList ? theirList : mineList;
    return woven(leading.map(key), other.map(key))
      .map((each) => pick<T | undefined>(`${kind}:${each}`, undefined))
      .filter((each): each is T => each !== undefined);
  };
  return {
    value: pick('value', theirs.value),
    locked: pick('locked', theirs.locked),
    retired: pick('retired', theirs.retired),
    custom: list('custom', mine.custom, theirs.custom, customKey),
    uses: list('use', mine.uses, theirs.uses, useKey),
  };
}

/** Put what only `other` has behind its predecessor there. */
function woven(leading: readonly string[], other: readonly string[]): string[] {
  const result = [...leading];
  let previous: string | null = null;
  for (const each of other) {
    if (!result.includes(each)) result.splice(previous === null ? 0 : result.indexOf(previous) + 1, 0, each);
    previous = each;
  }
  return result;
}

/** What a save would change of what is stored, for "What will this do?". */
export function changesOf(type: FeatureType, before: Draft, after: Draft): Part[] {
  return compare(type, before, after, before).filter((each) => each.state === 'mine');
}
