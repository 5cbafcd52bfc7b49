/** What charts are drawn of: points at regular moments, none left out. Pure. */
import type { EnvironmentUsage } from '@/api/schema';

export interface Range {
  name: '1h' | '6h' | '24h' | '7d' | '30d';
  step: 'minute' | 'hour';
  /** How many steps together make one point. */
  steps: number;
  points: number;
}

/** About as many points each as a chart has room for. */
export const RANGES: readonly Range[] = [
  { name: '1h', step: 'minute', steps: 1, points: 60 },
  { name: '6h', step: 'minute', steps: 5, points: 72 },
  { name: '24h', step: 'minute', steps: 15, points: 96 },
  { name: '7d', step: 'hour', steps: 2, points: 84 },
  { name: '30d', step: 'hour', steps: 8, points: 90 },
];

const STEP_MS = { minute: 60_000, hour: 3_600_000 } as const;

/** How long one point lasts. */
export function lengthOf(range: Range): number {
  return range.steps * STEP_MS[range.step];
}

/** From when on: a whole number of points before now, so that they stay the same while time goes on. */
export function beginOf(range: Range, now: number): number {
  const length = lengthOf(range);
  return Math.floor(now / length) * length - (range.points - 1) * length;
}

export interface Slot {
  at: number;
  polls: number;
  unchanged: number;
  streamsOpened: number;
  updates: number;
  /** On average, over the steps that have passed. */
  streams: number;
}

export const KINDS = ['polls', 'unchanged', 'streamsOpened', 'updates'] as const;
export type Kind = (typeof KINDS)[number];

/** One slot for each point of the range; what was not counted is nothing. */
export function slots(
  { points, streamsNow }: Pick<EnvironmentUsage, 'points' | 'streamsNow'>,
  range: Range,
  begin: number,
  now: number,
): Slot[] {
  const length = lengthOf(range);
  const found = Array.from({ length: range.points }, (_, index): Slot => ({
    at: begin + index * length,
    polls: 0,
    unchanged: 0,
    streamsOpened: 0,
    updates: 0,
    streams: 0,
  }));
  for (const point of points) {
    const slot = found[Math.floor((new Date(point.at).getTime() - begin) / length)];
    if (slot === undefined) continue;
    for (const kind of KINDS) slot[kind] += point[kind];
    slot.streams += point.streams;
  }
  for (const slot of found) {
    const passed = Math.ceil((Math.min(now, slot.at + length) - slot.at) / STEP_MS[range.step]);
    slot.streams /= Math.max(1, Math.min(range.steps, passed));
    // What the present minute counts comes late; how many there are is known.
    if (range.step === 'minute' && passed > 0 && now < slot.at + length) slot.streams = streamsNow;
  }
  return found;
}

export function requests(slot: Slot): number {
  return KINDS.reduce((sum, kind) => sum + slot[kind], 0);
}

/** A round number not below the greatest, for the axis. */
export function ceiling(greatest: number): number {
  if (greatest <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(greatest));
  const found = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= greatest);
  return found ?? greatest;
}
