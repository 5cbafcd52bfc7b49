import { describe, expect, it } from 'vitest';
import { formatAttributes, parseAttributes, requestOf } from './context';

const nothing = { environmentId: 'e', user: '', header: '', ampersand: false, at: '', attributes: [] };

describe('a context', () => {
  it('survives the address, whatever it holds', () => {
    const attributes = [
      { name: 'country', values: ['peru', 'new zealand'] },
      { name: 'odd=;,%name', values: ['a,b', 'c;d', '=', '%'] },
      { name: 'empty', values: [] },
    ];
    expect(parseAttributes(formatAttributes(attributes))).toEqual(attributes);
    expect(parseAttributes('')).toEqual([]);
    expect(parseAttributes('%=%')).toEqual([{ name: '%', values: ['%'] }]);
  });

  it('is asked for without what is empty', () => {
    expect(requestOf(nothing)).toEqual({ environmentId: 'e', attributes: {} });
    const attributes = [
      { name: ' plan ', values: ['gold'] },
      { name: '', values: ['x'] },
      { name: 'later', values: [] },
    ];
    expect(requestOf({ ...nothing, user: ' fred ', header: 'a=b', ampersand: true, attributes })).toEqual({
      environmentId: 'e',
      attributes: { plan: ['gold'] },
      userKey: 'fred',
      header: 'a=b',
      ampersand: true,
    });
    expect(requestOf({ ...nothing, at: '2030-01-01T12:00' }).at).toMatch(/^20(29|30)-.*Z$/);
    expect(requestOf({ ...nothing, at: 'nonsense' }).at).toBeUndefined();
  });
});
