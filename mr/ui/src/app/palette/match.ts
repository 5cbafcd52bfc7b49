/** How well a text fits what was typed: all words, in any order, the better the earlier they begin. Pure. */

/** The score of a match, the higher the better; 0 = none. */
export function score(typed: string, ...texts: readonly (string | undefined)[]): number {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return 1;
  let total = 0;
  for (const word of words) {
    const best = Math.max(...texts.map((text) => (text === undefined ? 0 : scoreOf(word, text.toLowerCase()))));
    if (best === 0) return 0;
    total += best;
  }
  return total / words.length;
}

function scoreOf(word: string, text: string): number {
  if (text === word) return 100;
  const at = text.indexOf(word);
  if (at === 0) return 80;
  if (at > 0) return /[a-z0-9]/.test(text.charAt(at - 1)) ? 40 : 60;
  // First letters, as in `nc` for `new checkout`.
  return word.length >= 2 && initials(text).startsWith(word) ? 50 : 0;
}

function initials(text: string): string {
  return text
    .split(/[^a-z0-9]+/)
    .map((part) => part.charAt(0))
    .join('');
}

/** The best of them, best first; equal ones keep their order. */
export function best<T>(entries: readonly T[], scored: (entry: T) => number, most: number): T[] {
  return entries
    .map((entry) => ({ entry, points: scored(entry) }))
    .filter(({ points }) => points > 0)
    .sort((one, other) => other.points - one.points)
    .slice(0, most)
    .map(({ entry }) => entry);
}
