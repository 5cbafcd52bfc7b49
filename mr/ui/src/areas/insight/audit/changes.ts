/** What an entry of the audit says of one member, ready to be shown. Pure. */

export interface MemberChange {
  name: string;
  before: unknown;
  after: unknown;
  /** Both are short enough to stand beside each other. */
  short: boolean;
}

const SHORT = 60;

export function memberChanges(changes: Readonly<Record<string, unknown>>): MemberChange[] {
  return Object.entries(changes)
    .map(([name, pair]) => {
      const { before, after } = (pair ?? {}) as { before?: unknown; after?: unknown };
      return { name, before, after, short: isShort(before) && isShort(after) };
    })
    .sort((one, other) => one.name.localeCompare(other.name));
}

/** Which members changed; of parts that are named by ids, what they are parts of. */
export function summary(changes: Readonly<Record<string, unknown>>): string {
  return [...new Set(Object.keys(changes).map((name) => name.split('/')[0]))].sort().join(', ');
}

function isShort(value: unknown): boolean {
  if (value === null || value === undefined) return true;
  if (typeof value === 'object') return Array.isArray(value) && value.length === 0;
  return String(value).length <= SHORT && !String(value).includes('\n');
}

/** A value as text for a comparison line by line; JSON inside a text is laid out too. */
export function laidOut(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') return JSON.stringify(value, null, 2);
  if (!/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
