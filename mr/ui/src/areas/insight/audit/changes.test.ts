import { describe, expect, it } from 'vitest';
import { laidOut, memberChanges, summary } from './changes';

describe('an entry of the audit', () => {
  it('tells members in one order, long ones apart', () => {
    expect(memberChanges({ value: { before: 1, after: 2 }, name: { after: 'x'.repeat(80) }, gone: null })).toEqual([
      { name: 'gone', before: undefined, after: undefined, short: true },
      { name: 'name', before: undefined, after: 'x'.repeat(80), short: false },
      { name: 'value', before: 1, after: 2, short: true },
    ]);
    expect(memberChanges({ strategies: { before: [], after: [{ id: 'a' }] } })[0]?.short).toBe(false);
  });

  it('says in short what it is about', () => {
    expect(summary({ 'roles/2e83': {}, 'roles/77aa': {}, name: {} })).toBe('name, roles');
  });

  it('lays documents out, and leaves other texts alone', () => {
    expect(laidOut('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(laidOut('{broken')).toBe('{broken');
    expect(laidOut('12')).toBe('12');
    expect(laidOut([1])).toBe('[\n  1\n]');
    expect(laidOut(undefined)).toBe('');
  });
});
