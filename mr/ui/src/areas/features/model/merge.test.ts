import { describe, expect, it } from 'vitest';
import { newStrategy } from '../strategies/draft';
import { type CustomDraft, type Draft, emptyDraft } from './draft';
import { changesOf, compare, conflicts, resolve } from './merge';

function strategy(id: string, value: boolean, name = id): CustomDraft {
  return { ...newStrategy(), id, name, percentage: 10_000, value };
}

function draft(change: Partial<Draft> = {}): Draft {
  return { ...emptyDraft('BOOLEAN'), locked: false, ...change };
}

const merged = (base: Draft, mine: Draft, theirs: Draft, chosen: [string, 'mine' | 'theirs'][] = []) =>
  resolve(compare('BOOLEAN', base, mine, theirs), mine, theirs, new Map(chosen));

describe('comparing three drafts', () => {
  it('takes over what only one side changed', () => {
    const base = draft();
    const [mine, theirs] = [draft({ value: true }), draft({ retired: true })];
    expect(conflicts(compare('BOOLEAN', base, mine, theirs))).toEqual([]);
    expect(merged(base, mine, theirs)).toEqual(draft({ value: true, retired: true }));
  });

  it('calls it no conflict when both did the same', () => {
    const parts = compare('BOOLEAN', draft(), draft({ value: true }), draft({ value: true }));
    expect(parts.every((each) => each.state === 'same')).toBe(true);
  });

  it('asks where both changed the same part differently', () => {
    const base = draft({ custom: [strategy('a', true)] });
    const mine = draft({ custom: [strategy('a', false)] });
    const theirs = draft({ custom: [strategy('a', true, 'renamed')] });
    expect(conflicts(compare('BOOLEAN', base, mine, theirs)).map((each) => each.id)).toEqual(['custom:a']);
    expect(merged(base, mine, theirs, [['custom:a', 'theirs']]).custom[0]?.name).toBe('renamed');
    expect(merged(base, mine, theirs, [['custom:a', 'mine']]).custom[0]?.value).toBe(false);
  });

  it('asks when one side removed what the other changed, and can remove it', () => {
    const base = draft({ custom: [strategy('a', true), strategy('b', true)] });
    const mine = draft({ custom: [strategy('b', true)] });
    const theirs = draft({ custom: [strategy('a', false), strategy('b', true)] });
    expect(conflicts(compare('BOOLEAN', base, mine, theirs)).map((each) => each.id)).toEqual(['custom:a']);
    expect(merged(base, mine, theirs, [['custom:a', 'mine']]).custom.map((each) => each.id)).toEqual(['b']);
    expect(merged(base, mine, theirs, [['custom:a', 'theirs']]).custom.map((each) => each.id)).toEqual(['a', 'b']);
  });

  it('keeps strategies that both added, each behind its predecessor', () => {
    const base = draft({ custom: [strategy('a', true)] });
    const mine = draft({ custom: [strategy('a', true), strategy('m', true)] });
    const theirs = draft({ custom: [strategy('t', true), strategy('a', true)] });
    expect(merged(base, mine, theirs).custom.map((each) => each.id)).toEqual(['t', 'a', 'm']);
  });

  it('takes an order that only one side changed', () => {
    const [a, b, c] = [strategy('a', true), strategy('b', true), strategy('c', true)];
    const base = draft({ custom: [a, b, c] });
    const mine = draft({ custom: [c, a, b] });
    const theirs = draft({ custom: [a, b, c], value: true });
    expect(merged(base, mine, theirs)).toEqual(draft({ custom: [c, a, b], value: true }));
  });

  it('asks about the order when both changed it', () => {
    const [a, b, c] = [strategy('a', true), strategy('b', true), strategy('c', true)];
    const base = draft({ custom: [a, b, c] });
    const [mine, theirs] = [draft({ custom: [c, a, b] }), draft({ custom: [b, a, c] })];
    expect(conflicts(compare('BOOLEAN', base, mine, theirs)).map((each) => each.id)).toEqual(['custom:order']);
    expect(merged(base, mine, theirs, [['custom:order', 'theirs']]).custom).toEqual([b, a, c]);
  });

  it('lists what a save changes', () => {
    const after = draft({ value: true, locked: true });
    expect(changesOf('BOOLEAN', draft(), after).map((each) => each.kind)).toEqual(['value', 'locked']);
  });
});
