/**
 * Which roles are ticked in which rows of a permission matrix: pure, so that saving compares what was read.
 *
 * READ comes with every other environment role, as the server has it: ticking one ticks READ, and taking READ
 * away takes the row away.
 */
export type Ticks<Role extends string> = Readonly<Record<string, readonly Role[]>>;

const READ = 'READ';

function ordered<Role extends string>(roles: Iterable<Role>, all: readonly Role[]): Role[] {
  const held = new Set(roles);
  return all.filter((role) => held.has(role));
}

export function rolesOf<Role extends string>(ticks: Ticks<Role>, row: string): readonly Role[] {
  return ticks[row] ?? [];
}

/** One box was clicked. */
export function ticked<Role extends string>(
  ticks: Ticks<Role>,
  all: readonly Role[],
  row: string,
  role: Role,
  on: boolean,
): Ticks<Role> {
  const held = new Set<string>(rolesOf(ticks, row));
  if (on) {
    held.add(role);
    if ((all as readonly string[]).includes(READ)) held.add(READ);
  } else if (role === READ) {
    held.clear();
  } else {
    held.delete(role);
  }
  return { ...ticks, [row]: ordered(held as Set<Role>, all) };
}

/** A whole row at once. */
export function rowTicked<Role extends string>(
  ticks: Ticks<Role>,
  all: readonly Role[],
  row: string,
  on: boolean,
): Ticks<Role> {
  return { ...ticks, [row]: on ? [...all] : [] };
}

/** A whole column at once. */
export function columnTicked<Role extends string>(
  ticks: Ticks<Role>,
  all: readonly Role[],
  rows: readonly string[],
  role: Role,
  on: boolean,
): Ticks<Role> {
  return rows.reduce((result, row) => ticked(result, all, row, role, on), ticks);
}

/** How much of several boxes is ticked. */
export function extent(boxes: readonly boolean[]): 'all' | 'some' | 'none' {
  if (boxes.length > 0 && boxes.every(Boolean)) return 'all';
  return boxes.some(Boolean) ? 'some' : 'none';
}

/** Rows in which something differs. */
export function changedRows<Role extends string>(before: Ticks<Role>, now: Ticks<Role>): string[] {
  const rows = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...rows].filter((row) => {
    const [old, held] = [rolesOf(before, row), rolesOf(now, row)];
    return old.length !== held.length || old.some((role) => !held.includes(role));
  });
}

/**
 * What is to be saved when somebody else saved first: every box that was clicked here as it was clicked, all
 * others as they are now.
 */
export function rebased<Role extends string>(
  before: Ticks<Role>,
  mine: Ticks<Role>,
  theirs: Ticks<Role>,
  all: readonly Role[],
): Ticks<Role> {
  const result: Record<string, readonly Role[]> = { ...theirs };
  for (const row of changedRows(before, mine)) {
    const [old, held, now] = [rolesOf(before, row), rolesOf(mine, row), rolesOf(theirs, row)];
    result[row] = all.filter((role) =>
      old.includes(role) === held.includes(role) ? now.includes(role) : held.includes(role),
    );
  }
  return result;
}

/** How many boxes differ. */
export function changedBoxes<Role extends string>(before: Ticks<Role>, now: Ticks<Role>): number {
  return changedRows(before, now).reduce((count, row) => {
    const [old, held] = [new Set(rolesOf(before, row)), new Set(rolesOf(now, row))];
    return count + [...old].filter((role) => !held.has(role)).length + [...held].filter((role) => !old.has(role)).length;
  }, 0);
}
