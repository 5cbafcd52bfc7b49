/**
 * Loads the table. What is saved while an answer is under way is not lost: the answer may be from before that.
 *
 * The whole of it comes in portions: reading ten thousand values at once would hold the browser up for longer than
 * anybody may wait for a letter to appear.
 */
import { call, type Params } from '@/api/client';
import { hasStatus } from '@/api/problem';
import type { FeatureEnvironment } from '@/api/schema';
import { onNews } from '@/app/changes/news';
import { TABLE, VALUES } from '../model/saving';
import type { Feature, Table } from '../model/wire';
import { withValue } from './table';

/** Values of a portion, and the fewest features that are worth a question. */
const VALUES_AT_ONCE = 4_000;
const FEWEST = 25;
/** Questions under way: one answer is read while the server makes the other. */
const AT_ONCE = 2;

/** How many features a portion has, so that it is soon read however many environments there are. */
export function portionOf(environments: number): number {
  return Math.max(FEWEST, Math.ceil(VALUES_AT_ONCE / Math.max(1, environments)));
}

/** Ask for all features, a portion at a time. Answers as one question for `params.max` would have been answered. */
export async function loadWhole(
  params: Params<typeof TABLE> & { max: number },
  portion: number,
  signal: AbortSignal,
): Promise<Table> {
  const ask = (page: number) => call(TABLE, { params: { ...params, max: portion, page } }, { signal });
  return keepingUp(params.id, signal, async () => {
    const first = await ask(0);
    const pages = Math.max(1, Math.ceil(Math.min(first.maxFeatures, params.max) / portion));
    const portions = Array<Table>(pages).fill(first);
    let next = 1;
    const askOn = async () => {
      for (let page = next++; page < pages; page = next++) portions[page] = await ask(page);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, askOn));
    return joined(portions);
  });
}

/** Ask for one page: as many features as fit into one answer. */
export async function loadPage(params: Params<typeof TABLE>, signal: AbortSignal): Promise<Table> {
  return keepingUp(params.id, signal, () => call(TABLE, { params }, { signal }));
}

/** Load a table, and ask once more for those values that were saved while it came. */
async function keepingUp(applicationId: string, signal: AbortSignal, load: () => Promise<Table>): Promise<Table> {
  const overtaken = new Set<string>();
  const stop = onNews((changes) => {
    for (const change of changes) {
      if (change.kind !== 'feature-value' || change.applicationId !== applicationId) continue;
      if (change.name !== undefined) overtaken.add(change.name);
    }
  });
  try {
    return await withChanges(await load(), overtaken, signal);
  } finally {
    stop();
  }
}

/** Put in what was saved meanwhile, of the features that are in it. */
async function withChanges(table: Table, keys: ReadonlySet<string>, signal: AbortSignal): Promise<Table> {
  let whole = table;
  for (const { key } of table.features) {
    if (key === undefined || !keys.has(key)) continue;
    const values = await stillThere(table.applicationId, key, signal);
    for (const { environment, featureValue } of values) {
      if (featureValue !== undefined) whole = withValue(whole, environment.id, featureValue);
    }
  }
  return whole;
}

/** The values of a feature; none when it was deleted meanwhile: the table is asked for again then. */
async function stillThere(id: string, key: string, signal: AbortSignal): Promise<FeatureEnvironment[]> {
  try {
    return await call(VALUES, { params: { id, key } }, { signal });
  } catch (error) {
    if (!hasStatus(error, 404)) throw error;
    return [];
  }
}

/** One table of portions that follow each other. Features that moved between them are in it once. */
export function joined(portions: readonly Table[]): Table {
  const [first] = portions;
  if (first === undefined) throw new RangeError('There is at least one portion.');
  const features = new Map<string | undefined, Feature>();
  for (const portion of portions) for (const feature of portion.features) features.set(feature.key, feature);
  return {
    ...first,
    features: [...features.values()],
    environments: first.environments.map((environment) => ({
      ...environment,
      features: portions.flatMap(
        (portion) =>
          portion.environments.find((each) => each.environmentId === environment.environmentId)?.features ?? [],
      ),
    })),
    maxFeatures: portions.at(-1)?.maxFeatures ?? 0,
  };
}
