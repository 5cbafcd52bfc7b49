import { describe, expect, it } from 'vitest';
import { type ConditionDraft, formatPercent, newStrategy, parsePercent, shortId } from './draft';
import { conditionFault, conditionalsOf, COUNTRIES, exceedsEverybody, settled, strategyFault } from './rules';

function condition(change: Partial<ConditionDraft>): ConditionDraft {
  return { id: 'c', fieldName: 'x', type: 'STRING', conditional: 'EQUALS', values: ['a'], ...change };
}

describe('strategies', () => {
  it('reads and writes shares without rounding', () => {
    expect(parsePercent('12.5')).toBe(125_000);
    expect(parsePercent('0,0001 %')).toBe(1);
    expect(parsePercent('')).toBeNull();
    expect(parsePercent('half')).toBeNaN();
    for (const share of [0, 1, 125_000, 1_000_000, 333_333]) expect(parsePercent(formatPercent(share))).toBe(share);
  });

  it('gives ids that the server keeps', () => {
    expect(shortId()).toMatch(/^[a-zA-Z0-9]{4}$/);
  });

  it('knows the well-known fields and what they compare with', () => {
    expect(COUNTRIES).toHaveLength(196);
    const country = settled(condition({ fieldName: 'country', conditional: 'REGEX' }));
    expect(country.conditional).toBe('EQUALS');
    expect(conditionalsOf(country)).toEqual(['EQUALS', 'NOT_EQUALS']);
    expect(settled(condition({ fieldName: 'version' })).type).toBe('SEMANTIC_VERSION');
  });

  it('keeps a comparison selectable that another client has set', () => {
    expect(conditionalsOf(condition({ type: 'BOOLEAN', conditional: 'REGEX' }))).toContain('REGEX');
  });

  it.each([
    ['NUMBER', '1.5', 'one', 'number'],
    ['DATE', '2028-02-29', '2027-02-29', 'date'],
    ['DATETIME', '2027-01-31T08:00:00+01:00', '2027-01-31T08:00:00', 'dateTime'],
    ['SEMANTIC_VERSION', '2.1.0-rc1', 'v2', 'version'],
    ['IP_ADDRESS', '10.0.0.0/8', '10.0.0.300', 'ip'],
    ['IP_ADDRESS', '2001:db8::/32', '2001:db8::/129', 'ip'],
  ] as const)('tells a %s from what is none', (type, good, bad, fault) => {
    expect(conditionFault(condition({ type, values: [good] }))).toBeNull();
    expect(conditionFault(condition({ type, values: [bad] }))).toBe(fault);
  });

  it('wants a name, and a share or a condition', () => {
    expect(strategyFault(newStrategy())).toMatchObject({ name: 'missing', empty: true });
    expect(strategyFault({ ...newStrategy(), name: 'A', percentage: 1 })).toBeNull();
    expect(
      strategyFault({ ...newStrategy(), name: 'A', conditions: [condition({ values: [] })] })?.conditions.get('c'),
    ).toBe('noValues');
  });

  it('adds up the shares of strategies without conditions', () => {
    const half = { ...newStrategy(), percentage: 500_001 };
    expect(exceedsEverybody([half, half])).toBe(true);
    expect(exceedsEverybody([half, { ...half, conditions: [condition({})] }])).toBe(false);
  });
});
