import { describe, expect, it } from 'vitest';
import { filtersToSend, isComplete, reachOf } from './reach';

describe('what an account receives', () => {
  const everything = reachOf({ featureFilters: [] });
  const nothing = reachOf({ restricted: true, featureFilters: [] });
  const filtered = reachOf({ restricted: true, featureFilters: ['a', 'b'] });

  it('is all, some, or nothing when its filters were taken away under it', () => {
    expect([everything.reach, filtered.reach, nothing.reach]).toEqual(['everything', 'filtered', 'nothing']);
    expect(reachOf(undefined).reach).toBe('everything');
  });

  it('is not widened by a save that is about something else', () => {
    expect(filtersToSend(nothing, nothing)).toBeUndefined();
    expect(filtersToSend(everything, everything)).toBeUndefined();
    expect(filtersToSend(filtered, { reach: 'filtered', filters: ['b', 'a'] })).toBeUndefined();
  });

  it('is widened and narrowed when somebody says so', () => {
    expect(filtersToSend(nothing, { reach: 'everything', filters: [] })).toEqual([]);
    expect(filtersToSend(filtered, { reach: 'everything', filters: [] })).toEqual([]);
    expect(filtersToSend(everything, { reach: 'filtered', filters: ['a'] })).toEqual(['a']);
  });

  it('needs a filter to be filtered', () => {
    expect(isComplete({ reach: 'filtered', filters: [] })).toBe(false);
    expect(isComplete(everything)).toBe(true);
  });
});
