/**
 * Values between the wire and the editor.
 *
 * In the editor a number is the text that was typed, so that nothing is rounded while typing and the
 * server, which keeps decimal text, gets exactly what the person saw.
 */
import { jsonFault } from '@/kit/json';
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
  return (
    Number.isFinite(a) && a === b && Math.abs(a) <= Number.MAX_SAFE_INTEGER && digits(one) <= 15 && digits(other) <= 15
  );
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
