import { describe, expect, it } from 'vitest';
import { changedBoxes, changedRows, columnTicked, extent, rebased, rowTicked, ticked } from './matrix';

const ALL = ['READ', 'LOCK', 'CHANGE_VALUE'] as const;
type Role = (typeof ALL)[number];
const none: Record<string, readonly Role[]> = {};

describe('a permission matrix', () => {
  it('ticks READ with every other role, and takes the row away with READ', () => {
    const with_ = ticked(none, ALL, 'test', 'LOCK', true);
    expect(with_['test']).toEqual(['READ', 'LOCK']);
    expect(ticked(with_, ALL, 'test', 'READ', false)['test']).toEqual([]);
    expect(ticked(with_, ALL, 'test', 'LOCK', false)['test']).toEqual(['READ']);
  });

  it('has no READ to add where there is none', () => {
    expect(ticked({}, ['CREATE', 'EDIT'], 'app', 'EDIT', true)['app']).toEqual(['EDIT']);
  });

  it('ticks whole rows and columns', () => {
    expect(rowTicked(none, ALL, 'a', true)['a']).toEqual(ALL);
    expect(columnTicked(none, ALL, ['a', 'b'], 'CHANGE_VALUE', true)).toEqual({
      a: ['READ', 'CHANGE_VALUE'],
      b: ['READ', 'CHANGE_VALUE'],
    });
    expect(extent([true, false])).toBe('some');
    expect(extent([])).toBe('none');
  });

  it('counts what differs, whatever the order', () => {
    const before = { a: ['READ', 'LOCK'] as Role[] };
    expect(changedRows<Role>(before, { a: ['LOCK', 'READ'] })).toEqual([]);
    expect(changedBoxes<Role>(before, { a: ['READ'], b: ['READ'] })).toBe(2);
  });

  it('keeps the boxes clicked here when somebody else saved first, and theirs elsewhere', () => {
    const before = { a: ['READ'] as Role[], b: [] as Role[] };
    const mine = { a: ['READ', 'LOCK'] as Role[], b: [] as Role[] };
    const theirs = { a: ['READ', 'CHANGE_VALUE'] as Role[], b: ['READ'] as Role[] };
    expect(rebased(before, mine, theirs, ALL)).toEqual({ a: ['READ', 'LOCK', 'CHANGE_VALUE'], b: ['READ'] });
  });
});
