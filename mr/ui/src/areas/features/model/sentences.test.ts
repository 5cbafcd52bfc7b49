import { describe, expect, it } from 'vitest';
import { en } from '@/texts/en';
import { newStrategy } from '../strategies/draft';
import { type CustomDraft, type Draft, emptyDraft } from './draft';
import { draftOfHistory, restorable } from './history';
import { sentences } from './sentences';
import type { HistoryItem } from './wire';

const BETA: CustomDraft = {
  ...newStrategy(),
  id: 'beta',
  name: 'Beta',
  percentage: 200_000,
  conditions: [
    { id: 'c', fieldName: 'country', type: 'STRING', conditional: 'EQUALS', values: ['new_zealand', 'fiji'] },
  ],
  value: true,
};

const texts = (before: Draft, after: Draft) => sentences(en, 'BOOLEAN', before, after).map((each) => each.text);

describe('a change in words', () => {
  const before = emptyDraft('BOOLEAN');

  it('says what happens to value and lock', () => {
    expect(texts(before, { ...before, value: true, locked: false })).toEqual([
      'Default value: Off → On',
      'Unlocks the value',
    ]);
  });

  it('says whom a new strategy takes and what they get', () => {
    expect(texts(before, { ...before, custom: [BETA] })).toEqual([
      'Adds the strategy “Beta”: 20 % of callers when Country is New Zealand or Fiji get On',
    ]);
  });

  it('says only what changed of a strategy', () => {
    const [one, other] = [
      { ...before, custom: [BETA] },
      { ...before, custom: [{ ...BETA, value: false }] },
    ];
    expect(texts(one, other)).toEqual(['Strategy “Beta” serves Off instead of On']);
  });

  it('says nothing of nothing', () => {
    expect(texts(before, before)).toEqual([]);
  });
});

describe('a version of the history', () => {
  const item: HistoryItem = {
    version: 3,
    when: '2026-11-22T08:00:00Z',
    value: true,
    locked: true,
    retired: false,
    rolloutStrategies: [
      { id: '@abc', name: 'Team', percentageAttributes: [], attributes: [], value: true, disabled: false },
      { id: '@old', name: 'Gone', percentageAttributes: [], attributes: [], value: true, disabled: false },
      {
        id: 'ab12',
        name: 'Own',
        percentage: 1,
        percentageAttributes: [],
        attributes: [],
        value: false,
        disabled: false,
      },
    ],
  };

  it('is restored without what is no longer there, and unlocked where the lock would forbid it', () => {
    const { draft, leftOut } = draftOfHistory('BOOLEAN', item, new Map([['@abc', 'id-of-team']]));
    expect(leftOut).toEqual(['Gone']);
    const rights = { read: true, change: true, lock: true, unlock: true, write: true };
    const restored = restorable(draft, emptyDraft('BOOLEAN'), rights);
    expect(restored.locked).toBe(false);
    expect(restored.uses.map((each) => each.strategyId)).toEqual(['id-of-team']);
    expect(restored.custom.map((each) => each.name)).toEqual(['Own']);
    expect(restorable(draft, { ...emptyDraft('BOOLEAN'), locked: false }, rights).locked).toBe(true);
  });
});
