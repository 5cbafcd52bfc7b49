/** The order of promotion while it is rearranged: pure. */
import type { Environment, EnvironmentInput } from '@/api/schema';

/** The list with one item at another place; the same list when the places make no sense. */
export function moved<T>(list: readonly T[], from: number, to: number): T[] {
  const result = [...list];
  const [item] = result.splice(from, 1);
  if (item === undefined || to < 0 || to > result.length) return [...list];
  result.splice(to, 0, item);
  return result;
}

/** What the server is told: each environment after the one before it, with the versions that were seen. */
export function orderingOf(environments: readonly Environment[]): EnvironmentInput[] {
  return environments.map((each, index) => {
    const prior = environments[index - 1];
    return {
      id: each.id,
      name: each.name,
      ...(each.version === undefined ? {} : { version: each.version }),
      ...(prior === undefined ? {} : { priorEnvironmentId: prior.id }),
    };
  });
}

export function sameOrder(one: readonly { id: string }[], other: readonly { id: string }[]): boolean {
  return one.length === other.length && one.every((each, index) => each.id === other[index]?.id);
}
