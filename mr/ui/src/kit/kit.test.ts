import { expect, it } from 'vitest';
import { strength } from './strength';
import { ago } from './time';

const now = new Date('2026-03-01T12:00:00Z');

it.each([
  ['2026-03-01T11:59:40Z', null],
  ['2026-03-01T11:58:00Z', '2 minutes ago'],
  ['2026-03-01T09:00:00Z', '3 hours ago'],
  ['2026-02-28T12:00:00Z', 'yesterday'],
  ['2025-03-01T12:00:00Z', 'last year'],
  ['2026-03-01T14:00:00Z', 'in 2 hours'],
])('%s is %s', (moment, words) => {
  expect(ago(new Date(moment), now, 'en')).toBe(words);
});

it('longer and more varied passwords are stronger', () => {
  const passwords = ['aaaaaaa', 'abcdefgh', 'correct horse', 'Correct horse battery 9'];
  const found = passwords.map(strength);
  expect(found).toEqual([...found].sort());
  expect(found[0]).toBe(0);
  expect(found.at(-1)).toBe(4);
});
