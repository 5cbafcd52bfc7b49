/**
 * Calls operations of the public API by their id, with the types of our own OpenAPI document.
 *
 * The session's token is asked for at each call and lives in memory alone. A refused token is renewed once
 * (see `session.ts`); when that fails the call fails with 401 and the session counts as lost.
 */
import { parseExactly } from './exact';
import { Problem, Unreachable } from './problem';
import { OPERATIONS, type Operations } from './schema';

export type OperationId = keyof Operations;
export type Params<Id extends OperationId> = Operations[Id]['params'];
export type Body<Id extends OperationId> = Operations[Id]['body'];
export type Answer<Id extends OperationId> = Operations[Id]['answer'];

type ParamsGiven<Id extends OperationId> =
  Record<never, never> extends Params<Id> ? { params?: Params<Id> } : { params: Params<Id> };
type BodyGiven<Id extends OperationId> = undefined extends Body<Id> ? { body?: Body<Id> } : { body: Body<Id> };

/** What a call is given: parameters of path and query together, and a body where the operation has one. */
export type Given<Id extends OperationId> = ParamsGiven<Id> & BodyGiven<Id>;

/** Who knows the token; `session.ts` is the one. */
export interface Bearer {
  token(): string | null;
  /** Called after a 401: true when there is a new token to try with. */
  renew(refused: string): Promise<boolean>;
}

let bearer: Bearer = { token: () => null, renew: async () => false };

/** Told once, by the session. */
export function takeBearerFrom(source: Bearer): void {
  bearer = source;
}

/** An address below the base path at which the interface is served. */
export function address(path: string): string {
  return new URL(path.replace(/^\//, ''), document.baseURI).toString();
}

/** Call an operation. Throws `Problem` when it is refused, `Unreachable` when nobody answers. */
export async function call<Id extends OperationId>(
  id: Id,
  ...[given, options]: Record<never, never> extends Given<Id>
    ? [given?: Given<Id>, options?: { signal?: AbortSignal }]
    : [given: Given<Id>, options?: { signal?: AbortSignal }]
): Promise<Answer<Id>> {
  const [method, template] = OPERATIONS[id];
  const path = filled(template, (given?.params ?? {}) as Record<string, unknown>);
  const request: RequestInit = { method, signal: options?.signal ?? null };
  if (given?.body !== undefined) request.body = JSON.stringify(given.body);
  const response = await fetchAsSelf(path, request);
  return (await read(response)) as Answer<Id>;
}

/** `fetch` below the base path with the session's token; for streams, and what `call` stands on. */
export async function fetchAsSelf(path: string, request: RequestInit = {}): Promise<Response> {
  const token = bearer.token();
  const response = await send(path, request, token);
  if (response.status !== 401 || token === null || !(await bearer.renew(token))) return response;
  return send(path, request, bearer.token());
}

async function send(path: string, request: RequestInit, token: string | null): Promise<Response> {
  const headers = new Headers(request.headers);
  if (token !== null) headers.set('Authorization', `Bearer ${token}`);
  if (request.body != null) headers.set('Content-Type', 'application/json');
  try {
    return await fetch(address(path), { ...request, headers, credentials: 'same-origin' });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new Unreachable(cause);
  }
}

/** The JSON of a good answer, undefined of an empty one. Throws `Problem`. */
export async function read(response: Response): Promise<unknown> {
  const text = await response.text();
  const body = parsed(text);
  if (!response.ok) throw new Problem(response.status, body);
  return body;
}

function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return parseExactly(text);
  } catch {
    // A proxy's page, for example: the status says what there is to say.
    return undefined;
  }
}

/** Fill the path's braces from the parameters; those that remain become the query. */
export function filled(template: string, params: Record<string, unknown>): string {
  const rest = { ...params };
  const path = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = rest[name];
    delete rest[name];
    return encodeURIComponent(String(value));
  });
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(rest)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null) query.append(name, String(each));
    }
  }
  const text = query.toString();
  return text === '' ? path : `${path}?${text}`;
}
