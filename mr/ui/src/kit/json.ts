/** JSON as text: laid out, made compact, checked; never re-encoded, so that no digit of a number is lost. Pure. */

export interface JsonFault {
  message: string;
  /** Where parsing stopped, from 1, when the browser tells. */
  line: number | null;
}

/** Why a text is no JSON document, or null. */
export function jsonFault(text: string): JsonFault | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const line = /line (\d+)/.exec(message)?.[1];
    const position = /position (\d+)/.exec(message)?.[1];
    if (line !== undefined) return { message, line: Number(line) };
    if (position !== undefined) return { message, line: text.slice(0, Number(position)).split('\n').length };
    return { message, line: null };
  }
}

export type Token = 'name' | 'string' | 'number' | 'word' | 'mark' | 'space' | 'other';

const PATTERN = /("(?:[^"\\]|\\.)*"?)|(-?\d[\d.eE+-]*)|(true|false|null)|([{}[\],:])|(\s+)|([^\s"{}[\],:\d-]+|.)/gsu;

/** Split a text, valid or not, into pieces; joined they are the text again. */
export function tokens(text: string): { kind: Token; text: string }[] {
  const found: { kind: Token; text: string }[] = [];
  for (const match of text.matchAll(PATTERN)) {
    const kinds: Token[] = ['string', 'number', 'word', 'mark', 'space', 'other'];
    const kind = kinds.find((_, index) => match[index + 1] !== undefined) ?? 'other';
    found.push({ kind, text: match[0] });
  }
  for (let index = 0; index < found.length; index += 1) {
    const next = found.slice(index + 1, index + 3).find((each) => each.kind !== 'space');
    const token = found[index];
    if (token?.kind === 'string' && next?.text === ':') token.kind = 'name';
  }
  return found;
}

/** Lay a document out with two spaces. Leaves a text that is no document as it is. */
export function formatJson(text: string): string {
  if (jsonFault(text) !== null) return text;
  let out = '';
  let depth = 0;
  const parts = tokens(text).filter((each) => each.kind !== 'space');
  parts.forEach((part, index) => {
    const closesEmpty = (part.text === '}' || part.text === ']') && isOpening(parts[index - 1]?.text);
    if (part.kind !== 'mark') out += part.text;
    else if (isOpening(part.text)) {
      const next = parts[index + 1]?.text;
      depth += 1;
      out += part.text + (next === '}' || next === ']' ? '' : newLine(depth));
    } else if (part.text === ',') out += `,${newLine(depth)}`;
    else if (part.text === ':') out += ': ';
    else {
      depth -= 1;
      out += (closesEmpty ? '' : newLine(depth)) + part.text;
    }
  });
  return out;
}

function isOpening(text: string | undefined): boolean {
  return text === '{' || text === '[';
}

function newLine(depth: number): string {
  return `\n${'  '.repeat(depth)}`;
}

/** A document on one line; any other text as it is. */
export function compactJson(text: string): string {
  if (jsonFault(text) !== null) return text;
  return tokens(text)
    .filter((each) => each.kind !== 'space')
    .map((each) => each.text)
    .join('');
}
