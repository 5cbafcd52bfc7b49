import { describe, expect, it } from 'vitest';
import { best, score } from './match';

describe('jumping', () => {
  it('finds what begins with a word before what only holds it', () => {
    const names = ['The checkout', 'checkout', 'newcheckout', 'Checkout page', 'Other'];
    expect(best(names, (name) => score('checkout', name), 10)).toEqual([
      'checkout',
      'Checkout page',
      'The checkout',
      'newcheckout',
    ]);
  });

  it('wants all words, in any of the texts', () => {
    expect(score('new shop', 'NEW_CHECKOUT', 'Shop')).toBeGreaterThan(0);
    expect(score('new shop', 'NEW_CHECKOUT', 'Bank')).toBe(0);
    expect(score('', 'anything')).toBe(1);
    expect(score('nc', 'new_checkout')).toBe(50);
    expect(score('x', undefined)).toBe(0);
  });

  it('keeps the order of equals, and bounds their number', () => {
    expect(best(['b', 'a', 'c'], () => 5, 2)).toEqual(['b', 'a']);
  });
});
