import { describe, expect, it } from 'vitest';
import type { SearchPerson } from '@/api/schema';
import { sameGroups } from './groups';
import { changesOf, MASK } from './settings';
import { statusesOf, temporaryPassword } from './status';

const person = (id: string, rest: Partial<SearchPerson> = {}): SearchPerson => ({
  id,
  name: id,
  email: `${id}@burgee.example`,
  version: 1,
  personType: 'person',
  groupCount: 0,
  ...rest,
});

it('everybody has one status', () => {
  const statuses = statusesOf({
    max: 4,
    summarisedPeople: [person('a'), person('b'), person('c'), person('d', { whenDeactivated: '2026-01-01T00:00:00Z' })],
    outstandingRegistrations: [
      { id: 'b', token: '', expired: false },
      { id: 'c', token: '', expired: true },
      { id: 'd', token: '', expired: true },
    ],
  });
  expect(Object.fromEntries(statuses)).toEqual({ a: 'active', b: 'invited', c: 'expired', d: 'deactivated' });
});

it('temporary passwords differ and hold no letters that look alike', () => {
  const made = Array.from({ length: 50 }, temporaryPassword);
  expect(new Set(made).size).toBe(50);
  expect(made.join('')).not.toMatch(/[il1oO0I]/);
});

describe('what is sent of the settings', () => {
  const settings = [
    { key: 'slack.enabled', encrypted: false, version: -1, value: false },
    { key: 'slack.bearerToken', encrypted: true, version: 3, value: MASK },
    { key: 'site.url', encrypted: false, version: 1, value: 'https://a.example' },
  ];

  it('is what differs, with the version that was seen', () => {
    expect(changesOf(settings, { 'slack.enabled': true, 'site.url': 'https://a.example' })).toEqual([
      { key: 'slack.enabled', version: -1, value: true },
    ]);
  });

  it('takes a value away when its text was emptied', () => {
    expect(changesOf(settings, { 'slack.bearerToken': null, 'site.url': '' })).toEqual([
      { key: 'slack.bearerToken', version: 3, value: null },
      { key: 'site.url', version: 1, value: null },
    ]);
  });
});

it('groups are the same in whatever order they were ticked', () => {
  expect(sameGroups(['a', 'b'], ['b', 'a'])).toBe(true);
  expect(sameGroups(['a'], ['a', 'b'])).toBe(false);
  expect(sameGroups(['a', 'b'], ['a', 'c'])).toBe(false);
  expect(sameGroups([], [])).toBe(true);
});
