import { expect, it } from 'vitest';
import { moved, orderingOf, sameOrder } from './promotion';

it('an item is moved to another place, and nothing is lost', () => {
  expect(moved(['a', 'b', 'c'], 0, 2)).toEqual(['b', 'c', 'a']);
  expect(moved(['a', 'b', 'c'], 2, 0)).toEqual(['c', 'a', 'b']);
  expect(moved(['a', 'b'], 0, 5)).toEqual(['a', 'b']);
  expect(moved(['a', 'b'], 7, 0)).toEqual(['a', 'b']);
});

it('each environment names the one before it', () => {
  const environment = (id: string, version: number) => ({
    id,
    name: id,
    version,
    groupRoles: [],
    features: [],
    environmentInfo: {},
  });
  const list = [environment('test', 3), environment('production', 1)];
  expect(orderingOf(list)).toEqual([
    { id: 'test', name: 'test', version: 3 },
    { id: 'production', name: 'production', version: 1, priorEnvironmentId: 'test' },
  ]);
  expect(sameOrder(list, [...list].reverse())).toBe(false);
});
