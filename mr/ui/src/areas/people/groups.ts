/** Chosen groups. Pure. */

/** Whether both are the same groups, in whatever order they were ticked. */
export function sameGroups(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((id) => other.includes(id));
}
