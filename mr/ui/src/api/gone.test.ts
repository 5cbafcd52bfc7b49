import { expect, test } from 'vitest';
import { asksForGone, deleting } from './gone';

const [ONE, OTHER] = ['1', '2'].map((each) => `${each.repeat(8)}-0000-4000-8000-000000000000`) as [string, string];

test('what is deleted is not asked for again, from the moment that it is sent', async () => {
  await deleting(ONE, async () => {
    expect(asksForGone(['getGroup', { gid: ONE, includeMembersV2: true }])).toBe(true);
    expect(asksForGone(['getGroup', { gid: OTHER }])).toBe(false);
    expect(asksForGone(['findGroups', {}])).toBe(false);
  });
  expect(asksForGone(['getGroup', { gid: ONE }])).toBe(true);
});

test('what could not be deleted is asked for as before', async () => {
  const refused = deleting(OTHER, async () => {
    throw new Error('There is somebody who needs it.');
  });
  await expect(refused).rejects.toThrow('needs it');
  expect(asksForGone(['getGroup', { gid: OTHER }])).toBe(false);
});
