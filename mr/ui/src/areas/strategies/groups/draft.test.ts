import { describe, expect, it } from 'vitest';
import type { FeatureGroup } from '@/api/schema';
import { newStrategy } from '../../features/strategies';
import { draftOf, featureChanges, isComplete, joined, rebased, sameGroup, updateOf } from './draft';

const group: FeatureGroup = {
  id: 'g',
  name: 'Checkout',
  order: 10,
  version: 4,
  environmentId: 'e',
  environmentName: 'production',
  disabled: false,
  features: [
    { id: 'a', key: 'CART', name: 'Cart', type: 'BOOLEAN', value: true, locked: false },
    { id: 'b', key: 'LIMIT', name: 'Limit', type: 'NUMBER', value: 5, locked: true },
  ],
  strategies: [
    { id: '!one', name: 'Staff', percentage: 200_000, percentageAttributes: [], attributes: [], disabled: false },
    { id: '!two', name: 'Older', percentageAttributes: [], attributes: [], disabled: false },
  ],
};

describe('a feature group while it is edited', () => {
  it('sends nothing when nothing was edited', () => {
    const draft = draftOf(group);
    expect(sameGroup(draft, draftOf(group))).toBe(true);
    expect(updateOf(group, draft)).toEqual({ id: 'g', version: 4 });
  });

  it('sends all features when one differs, and no strategy', () => {
    const draft = draftOf(group);
    const features = draft.features.map((each) => (each.id === 'b' ? { ...each, value: '7' } : each));
    expect(updateOf(group, { ...draft, features })).toEqual({
      id: 'g',
      version: 4,
      features: [
        { id: 'a', value: true },
        { id: 'b', value: '7' },
      ],
    });
  });

  it('keeps strategies that it does not edit', () => {
    const draft = draftOf(group);
    expect(updateOf(group, { ...draft, strategy: null }).strategies?.map((each) => each.id)).toEqual(['!two']);
    const made = { ...newStrategy(), name: 'Everybody', percentage: 1_000_000 };
    expect(updateOf({ ...group, strategies: [] }, { ...draft, strategy: made }).strategies?.[0]?.name).toBe('Everybody');
  });

  it('says what saving would do', () => {
    const draft = draftOf(group);
    const [cart] = draft.features;
    const added = joined({ id: 'c', key: 'COLOUR', name: 'Colour', type: 'STRING', value: 'red', locked: false });
    const after = { ...draft, features: cart ? [{ ...cart, value: false }, added] : [] };
    expect(featureChanges(draft, after).map((each) => [each.kind, each.feature.key])).toEqual([
      ['changed', 'CART'],
      ['added', 'COLOUR'],
      ['removed', 'LIMIT'],
    ]);
  });

  it('keeps what was edited here when somebody else saved first, and theirs elsewhere', () => {
    const before = draftOf(group);
    const [cart, limit] = before.features;
    if (!cart || !limit) throw new Error('two features');
    const colour = joined({ id: 'c', key: 'COLOUR', name: 'Colour', type: 'STRING', value: 'red', locked: false });
    const size = joined({ id: 'd', key: 'SIZE', name: 'Size', type: 'STRING', value: 'big', locked: false });
    const mine = { ...before, features: [{ ...cart, value: false }, limit, colour] };
    const theirs = { strategy: null, features: [cart, { ...limit, value: '9' }, size] };
    const both = rebased(before, mine, theirs);
    expect(both.strategy).toBeNull();
    expect(both.features.map((each) => [each.key, each.value])).toEqual([
      ['CART', false],
      ['LIMIT', '9'],
      ['SIZE', 'big'],
      ['COLOUR', 'red'],
    ]);
    const removed = rebased(before, { ...before, features: [cart] }, { ...before, features: [cart, { ...limit, value: '9' }] });
    expect(removed.features.map((each) => each.key)).toEqual(['CART']);
  });

  it('is incomplete with a number that is none', () => {
    const draft = draftOf(group);
    expect(isComplete(draft)).toBe(true);
    expect(isComplete({ ...draft, features: draft.features.map((each) => ({ ...each, value: 'many' })) })).toBe(false);
  });

  it('takes a switch without a value as off', () => {
    expect(joined({ id: 'd', key: 'D', name: 'D', type: 'BOOLEAN', locked: false }).value).toBe(false);
  });
});
