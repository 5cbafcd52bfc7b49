/**
 * Values between the wire and the editor.
 *
 * In the editor a number is the text that was typed, so that nothing is rounded while typing and the
 * server, which keeps decimal text, gets exactly what the person saw.
 */
import type { FeatureType, Served } from './wire';

export function fromWire(type: FeatureType, value: unknown): Served {
  if (value === null || value === undefined) return null;
  if (type === 'BOOLEAN') return value === true || value === 'true';
  return typeof value === 'string' ? value : String(value);
}

/** A value as the API takes it. Numbers go as text: the server reads decimals without losing digits. */
export function toWire(value: Served): boolean | string | null {
  return value;
}

/** Two values mean the same: `5` and `5.0` are one number, documents are compared by content. */
export function sameServed(type: FeatureType, one: Served, other: Served): boolean {
  if (one === other) return true;
  if (one === null || other === null) return false;
  if (type === 'NUMBER') return sameNumber(String(one), String(other));
  if (type === 'JSON') return sameDocument(String(one), String(other));
  return false;
}

function sameNumber(one: string, other: string): boolean {
  const [a, b] = [Number(one), Number(other)];
  // Beyond exact doubles two different numbers may look equal; then only equal texts are.
  return Number.isFinite(a) && a === b && Math.abs(a) <= Number.MAX_SAFE_INTEGER && digits(one) <= 15 && digits(other) <= 15;
}

function digits(text: string): number {
  return text.replace(/[^0-9]/g, '').length;
}

/** The server keeps a document's text as it was written; only white space at its ends means nothing. */
function sameDocument(one: string, other: string): boolean {
  return one.trim() === other.trim();
}

export type ValueFault = 'number' | 'json' | 'boolean';

/** What is wrong with a typed value, or null. An empty text of a NUMBER or JSON feature is no value. */
export function valueFault(type: FeatureType, value: Served): ValueFault | null {
  if (value === null) return type === 'BOOLEAN' ? 'boolean' : null;
  if (type === 'NUMBER') return isNumber(String(value)) ? null : 'number';
  if (type === 'JSON') return jsonFault(String(value)) === null ? null : 'json';
  return null;
}

export function isNumber(text: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim());
}

export interface JsonFault {
  message: string;
  line: number | null;
}

/** Why a text is no JSON document, with the line where parsing stopped when the browser tells. */
export function jsonFault(text: string): JsonFault | null {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const line = /line (\d+)/.exec(message);
    const position = /position (\d+)/.exec(message);
    if (line?.[1] !== undefined) return { message, line: Number(line[1]) };
    if (position?.[1] !== undefined) {
      return { message, line: text.slice(0, Number(position[1])).split('\n').length };
    }
    return { message, line: null };
  }
}

/**
 * Lay a JSON text out with two spaces, without touching a single token.
 *
 * `JSON.stringify(JSON.parse(text))` would round long numbers and reorder integer-like names.
 */
export function formatJson(text: string): string {
  let out = '';
  let depth = 0;
  let index = 0;
  const newLine = () => '\n' + '  '.repeat(depth);
  while (index < text.length) {
    const at = text.charAt(index);
    if (at === '"') {
      const end = endOfString(text, index);
      out += text.slice(index, end);
      index = end;
      continue;
    }
    if (at === '{' || at === '[') {
      const after = skipSpace(text, index + 1);
      const closing = text.charAt(after);
      if (closing === '}' || closing === ']') {
        out += at + closing;
        index = after + 1;
        continue;
      }
      depth += 1;
      out += at + newLine();
    } else if (at === '}' || at === ']') {
      depth = Math.max(0, depth - 1);
      out += newLine() + at;
    } else if (at === ',') out += at + newLine();
    else if (at === ':') out += ': ';
    else if (!/\s/.test(at)) out += at;
    index += 1;
  }
  return out;
}

/** One line without white space between tokens: how a document looks in a cell. */
export function compactJson(text: string): string {
  let out = '';
  let index = 0;
  while (index < text.length) {
    const at = text.charAt(index);
    if (at === '"') {
      const end = endOfString(text, index);
      out += text.slice(index, end);
      index = end;
      continue;
    }
    if (!/\s/.test(at)) out += at;
    index += 1;
  }
  return out;
}

function endOfString(text: string, start: number): number {
  for (let index = start + 1; index < text.length; index += 1) {
    const at = text.charAt(index);
    if (at === '\\') index += 1;
    else if (at === '"') return index + 1;
  }
  return text.length;
}

function skipSpace(text: string, start: number): number {
  let index = start;
  while (index < text.length && /\s/.test(text.charAt(index))) index += 1;
  return index;
}
