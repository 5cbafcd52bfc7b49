/** What goes wrong between the interface and the server, as two kinds of error. Knows no screen. */
import type { Problem as ProblemDocument } from './schema';

/** The server refused: its status, its words, and which fields it means. */
export class Problem extends Error {
  readonly status: number;
  /** Stable name of the fault, such as `stale-version`; empty when the answer was no problem document. */
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly requestId: string;
  /** Field name (last part of its path) → what is wrong with it. */
  readonly faults: Readonly<Record<string, string>>;
  /** The answer's body as it came: some refusals carry data (unset server, invalid strategies). */
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    const told = isProblem(body) ? body : undefined;
    super(told?.detail ?? told?.title ?? `HTTP ${status}`);
    this.name = 'Problem';
    this.status = status;
    this.body = body;
    this.code = told?.type.replace('urn:burgee:problem:', '') ?? '';
    this.title = told?.title ?? `HTTP ${status}`;
    this.detail = told?.detail ?? '';
    this.requestId = told?.instance ?? '';
    this.faults = Object.fromEntries(
      (told?.errors ?? []).map((fault) => [fault.field.split('.').at(-1) ?? fault.field, fault.detail]),
    );
  }
}

/** No answer came: the server is down, or the network is. What was typed can be sent again. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super('unreachable', { cause });
    this.name = 'Unreachable';
  }
}

function isProblem(body: unknown): body is ProblemDocument {
  return typeof body === 'object' && body !== null && 'type' in body && 'title' in body;
}

/** A refusal that the form itself explains, beside what it is about: not told a second time. */
export class ToldInPlace extends Error {
  constructor(cause: unknown) {
    super('told in place', { cause });
    this.name = 'ToldInPlace';
  }
}

/** What the server says is wrong with one field, for an input's `error`. */
export function faultOf(error: unknown, field: string): string | undefined {
  return error instanceof Problem ? error.faults[field] : undefined;
}

export function hasStatus(error: unknown, ...statuses: number[]): error is Problem {
  return error instanceof Problem && statuses.includes(error.status);
}
