/** Which lines of a text were removed, added or kept. Pure. */

export interface Line {
  kind: 'same' | 'removed' | 'added';
  text: string;
  /** Line numbers from 1; null where the line is not. */
  before: number | null;
  after: number | null;
}

/** Beyond this the comparison would take long; the changed middle is then shown as replaced. */
const MOST_PAIRS = 4_000_000;

export function compareLines(before: string, after: string): Line[] {
  const [one, other] = [split(before), split(after)];
  let start = 0;
  while (start < one.length && start < other.length && one[start] === other[start]) start += 1;
  let end = 0;
  while (end < one.length - start && end < other.length - start && one.at(-1 - end) === other.at(-1 - end)) end += 1;
  const lines: Line[] = [];
  const put = (kind: Line['kind'], text: string, at: number | null, to: number | null) =>
    lines.push({ kind, text, before: at === null ? null : at + 1, after: to === null ? null : to + 1 });
  for (let index = 0; index < start; index += 1) put('same', one[index] ?? '', index, index);
  for (const step of middle(one.slice(start, one.length - end), other.slice(start, other.length - end))) {
    if (step.kind === 'same') put('same', one[start + step.one] ?? '', start + step.one, start + step.other);
    else if (step.kind === 'removed') put('removed', one[start + step.one] ?? '', start + step.one, null);
    else put('added', other[start + step.other] ?? '', null, start + step.other);
  }
  for (let index = end; index > 0; index -= 1) {
    put('same', one.at(-index) ?? '', one.length - index, other.length - index);
  }
  return lines;
}

function split(text: string): string[] {
  return text === '' ? [] : text.split('\n');
}

interface Step {
  kind: Line['kind'];
  one: number;
  other: number;
}

/** The longest common subsequence, walked from its end. */
function middle(one: readonly string[], other: readonly string[]): Step[] {
  if (one.length * other.length > MOST_PAIRS) {
    return [
      ...one.map((_, index): Step => ({ kind: 'removed', one: index, other: -1 })),
      ...other.map((_, index): Step => ({ kind: 'added', one: -1, other: index })),
    ];
  }
  const width = other.length + 1;
  const longest = new Uint32Array((one.length + 1) * width);
  for (let i = one.length - 1; i >= 0; i -= 1) {
    for (let j = other.length - 1; j >= 0; j -= 1) {
      longest[i * width + j] =
        one[i] === other[j]
          ? (longest[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(longest[(i + 1) * width + j] ?? 0, longest[i * width + j + 1] ?? 0);
    }
  }
  const steps: Step[] = [];
  let [i, j] = [0, 0];
  while (i < one.length || j < other.length) {
    if (i < one.length && j < other.length && one[i] === other[j]) {
      steps.push({ kind: 'same', one: i, other: j });
      i += 1;
      j += 1;
    } else if (
      j >= other.length ||
      (i < one.length && (longest[(i + 1) * width + j] ?? 0) >= (longest[i * width + j + 1] ?? 0))
    ) {
      steps.push({ kind: 'removed', one: i, other: j });
      i += 1;
    } else {
      steps.push({ kind: 'added', one: i, other: j });
      j += 1;
    }
  }
  return steps;
}
