import { describe, expect, it } from 'vitest';
import { parseExactly } from './exact';

/** Node tells a reviver the text of a number since version 21. */
let told = false;
JSON.parse('1', (_key: string, value: unknown, context?: { source?: string }) => {
  told = context?.source === '1';
  return value;
});

describe('numbers of answers', () => {
  it.runIf(told)('that a double cannot hold come as their text', () => {
    expect(parseExactly('{"value":12345678901234567890,"n":0.1234567890123456789,"m":1.5}')).toEqual({
      value: '12345678901234567890',
      n: '0.1234567890123456789',
      m: 1.5,
    });
  });

  it('that a double can hold come as numbers', () => {
    expect(parseExactly('{"value":5,"n":[0.1,1e3,9007199254740991],"id":"00000000000000000000"}')).toEqual({
      value: 5,
      n: [0.1, 1000, 9007199254740991],
      id: '00000000000000000000',
    });
  });
});
