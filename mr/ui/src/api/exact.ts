/**
 * JSON in which no number loses a digit. The server keeps decimals as they were written; a double cannot.
 *
 * Numbers that a double would change come as their text, all others as numbers. Pure.
 */

/** Sixteen digits in a row, or with a point among them: only then can a number be more than a double. */
const LONG = /\d[\d.]{15}/;

type Reviver = (key: string, value: unknown, context?: { source?: string }) => unknown;

const exact: Reviver = (_key, value, context) => {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined || !LONG.test(source)) return value;
  return String(value) === source ? value : source;
};

/** Throws what `JSON.parse` throws. Browsers that do not tell a number's text round as they always did. */
export function parseExactly(text: string): unknown {
  // A reviver looks at every value: too slow for an answer of many thousand of them that needs none.
  return LONG.test(text) ? JSON.parse(text, exact as (key: string, value: unknown) => unknown) : JSON.parse(text);
}
