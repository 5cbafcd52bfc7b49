import { describe, expect, it } from 'vitest';
import { beginOf, ceiling, lengthOf, RANGES, type Range, requests, slots } from './series';

const RANGE: Range = { name: '1h', step: 'minute', steps: 5, points: 3 };
const NOW = Date.UTC(2030, 0, 1, 12, 12, 30);

function point(minute: number, polls: number, streams: number) {
  return { at: new Date(Date.UTC(2030, 0, 1, 12, minute)).toISOString(), polls, unchanged: 1, streamsOpened: 0, updates: 0, streams };
}

describe('the points of a chart', () => {
  it('begin at a whole one, and end with the present', () => {
    const begin = beginOf(RANGE, NOW);
    expect(new Date(begin).toISOString()).toBe('2030-01-01T12:00:00.000Z');
    for (const range of RANGES) expect(beginOf(range, NOW) + range.points * lengthOf(range)).toBeGreaterThan(NOW);
  });

  it('add requests up, and take the average of streams; of the present it is how many there are', () => {
    const begin = beginOf(RANGE, NOW);
    const points = [point(0, 2, 10), point(4, 3, 20), point(10, 1, 6), point(59, 9, 9)];
    const found = slots({ points, streamsNow: 7 }, RANGE, begin, NOW);
    expect(found.map((each) => each.polls)).toEqual([5, 0, 1]);
    expect(found.map((each) => each.streams)).toEqual([6, 0, 7]);
    expect(found.map(requests)).toEqual([7, 0, 2]);
  });

  it('have an axis that ends with a round number', () => {
    expect([0, 1, 3, 11, 20, 240, 990, 0.3].map(ceiling)).toEqual([1, 1, 5, 20, 20, 250, 1000, 0.5]);
  });
});
