import { describe, expect, it } from 'vitest';
import { draftOf, sameDraft, toWire } from './draft';
import { fromWire, isNumber, sameServed, valueFault } from './served';
import type { FeatureValue } from './wire';

const VALUE: FeatureValue = {
  key: 'k',
  locked: false,
  retired: false,
  value: 5,
  rolloutStrategies: [
    {
      id: 'ab12',
      name: 'Beta',
      percentage: 125_000,
      percentageAttributes: ['company'],
      attributes: [{ id: 'x1', conditional: 'GREATER', fieldName: 'age', type: 'NUMBER', values: [18] }],
      value: 7,
      disabled: false,
    },
  ],
  rolloutStrategyInstances: [{ strategyId: 's', name: 'Team', value: 9, disabled: false }],
  sharedRolloutStrategies: [],
  featureGroupStrategies: [],
  version: 3,
};

describe('values between the wire and the editor', () => {
  it('keeps every part of a stored value that is saved unchanged', () => {
    const draft = draftOf('NUMBER', VALUE);
    const body = toWire(draft, { key: 'k', environmentId: 'e', version: 3 });
    expect(body).toMatchObject({ key: 'k', version: 3, locked: false, retired: false, value: '5' });
    expect(body.rolloutStrategies).toEqual([{ ...VALUE.rolloutStrategies[0], value: '7' }]);
    expect(body.rolloutStrategyInstances).toEqual([{ strategyId: 's', value: '9', disabled: false }]);
    expect(sameDraft('NUMBER', draft, draftOf('NUMBER', VALUE))).toBe(true);
  });

  it('sends no value as null and an empty text as such', () => {
    expect(fromWire('STRING', undefined)).toBeNull();
    expect(fromWire('STRING', '')).toBe('');
  });

  it('compares numbers by what they are, but never by what a double rounds them to', () => {
    expect(sameServed('NUMBER', '5', '5.0')).toBe(true);
    expect(sameServed('NUMBER', '9007199254740993', '9007199254740992')).toBe(false);
  });

  it('knows what is no number and no document', () => {
    expect(['1', '-2.5', '.5', '1e9'].every(isNumber)).toBe(true);
    expect(['', 'x', '1,5', 'NaN', '0x1'].some(isNumber)).toBe(false);
    expect(valueFault('JSON', '{"a":')).toBe('json');
    expect(valueFault('JSON', '{"a":1}')).toBeNull();
    expect(valueFault('BOOLEAN', null)).toBe('boolean');
    expect(valueFault('NUMBER', null)).toBeNull();
  });
});
