import { expect, it } from 'vitest';
import { isOwnPath } from './back';

it.each(['/users', '/', '/feature-dashboard?portfolio=1'])('%s is a way back', (path) => {
  expect(isOwnPath(path)).toBe(true);
});

it.each(['//evil.example', '/\\evil.example', 'https://evil.example', '', 'users', '/login', 'javascript:alert(1)'])(
  '%s is none',
  (path) => {
    expect(isOwnPath(path)).toBe(false);
  },
);
