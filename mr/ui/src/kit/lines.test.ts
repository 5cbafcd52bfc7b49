import { describe, expect, it } from 'vitest';
import { compareLines } from './lines';

const kinds = (before: string, after: string) =>
  compareLines(before, after).map((line) => `${line.kind[0]}${line.text}`);

describe('comparing lines', () => {
  it('keeps what is common and says what went and came', () => {
    expect(kinds('a\nb\nc\nd', 'a\nx\nc\nd\ne')).toEqual(['sa', 'rb', 'ax', 'sc', 'sd', 'ae']);
  });

  it('numbers lines of both texts', () => {
    expect(compareLines('a\nb', 'b')).toEqual([
      { kind: 'removed', text: 'a', before: 1, after: null },
      { kind: 'same', text: 'b', before: 2, after: 1 },
    ]);
  });

  it('gives both texts back', () => {
    const [before, after] = ['1\n2\n3\n4\n5', '0\n2\n3\n9\n5\n6'];
    const lines = compareLines(before, after);
    expect(
      lines
        .filter((line) => line.kind !== 'added')
        .map((line) => line.text)
        .join('\n'),
    ).toBe(before);
    expect(
      lines
        .filter((line) => line.kind !== 'removed')
        .map((line) => line.text)
        .join('\n'),
    ).toBe(after);
  });

  it('says nothing of nothing', () => {
    expect(kinds('', '')).toEqual([]);
    expect(kinds('', 'a')).toEqual(['aa']);
  });
});
