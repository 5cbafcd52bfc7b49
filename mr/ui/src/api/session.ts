/**
 * The session: a token in this page's memory, renewed after a reload by a cookie that only one address sees.
 *
 * A store outside of React, since the client needs it too. States:
 * starting → setup (nothing is there yet) | out | in; in → lost (ended while somebody was working; the screen
 * stays as it is) → in; `reset`: signed in with a temporary password, which must be replaced first.
 */
import { remember, remembered } from '@/app/memory';
import { address, call, read, takeBearerFrom } from './client';
import { hasStatus, Problem, Unreachable } from './problem';
import type { Person, SetupMissingResponse, SetupResponse, TokenizedPerson } from './schema';

export type SessionState = 'starting' | 'unreachable' | 'setup' | 'out' | 'reset' | 'in' | 'lost';

export interface Session {
  readonly state: SessionState;
  /** Somebody signed out here: where they were is nothing to whoever comes next. */
  readonly left: boolean;
  /** Who is signed in, as the sign-in told; roles are `useMe()`'s. */
  readonly person: Person | null;
  /** How people may sign in here, and what the server can do. */
  readonly site: SetupMissingResponse | SetupResponse | null;
  readonly capabilities: Readonly<Record<string, string>>;
}

let session: Session = { state: 'starting', left: false, person: null, site: null, capabilities: {} };
let token: string | null = null;
/** That this browser has a session, not which. */
const BEFORE = 'session';
const COMPAT_COOKIE = 'bearer-token';
let renewing: Promise<boolean> | null = null;
const listeners = new Set<() => void>();

function become(change: Partial<Session>): void {
  session = { ...session, ...change };
  for (const listener of listeners) listener();
}

export function currentSession(): Session {
  return session;
}

export function onSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Find out where we stand: is the server set up, and does the cookie still open a session? */
export async function start(): Promise<void> {
  try {
    const site = await call('isInstalled');
    become({ site, capabilities: site.capabilityInfo });
    // Without a session before there is no cookie to try.
    const before = remembered(BEFORE) === 'yes';
    if (before && (await renewed())) return;
    if (!(await readable())) become({ state: 'out' });
  } catch (error) {
    if (hasStatus(error, 404)) {
      become({ state: 'setup', site: error.body as SetupMissingResponse });
    } else {
      become({ state: 'unreachable' });
    }
  }
}

/**
 * Servers that are told to (BURGEE_COMPAT_BEARER_COOKIE) hand the token over in a cookie that scripts can read.
 * It is used as it is: other programs read it as well.
 */
async function readable(): Promise<boolean> {
  token = new URLSearchParams(document.cookie.replaceAll('; ', '&')).get(COMPAT_COOKIE);
  if (token === null) return false;
  try {
    become({ state: 'in', person: await call('getPerson', { params: { id: 'self' } }) });
    return true;
  } catch (error) {
    if (!hasStatus(error, 401)) throw error;
    forgetReadable();
    return false;
  }
}

function forgetReadable(): void {
  token = null;
  document.cookie = `${COMPAT_COOKIE}=; path=/; max-age=0`;
}

/** Ask again how this server is set up: after the first set-up it has another answer. */
export async function refreshSite(): Promise<void> {
  const site = await call('isInstalled');
  become({ site, capabilities: { ...site.capabilityInfo, ...session.capabilities } });
}

/**
 * Take over what a sign-in answered. The token is exchanged for one that survives a reload; somebody with a
 * temporary password keeps the first one until it is replaced.
 */
export async function adopt(signedIn: TokenizedPerson): Promise<void> {
  const mustReset = signedIn.person?.passwordRequiresReset === true;
  token = signedIn.accessToken ?? null;
  if (!mustReset) await keep();
  become({
    state: mustReset ? 'reset' : 'in',
    left: false,
    person: signedIn.person ?? null,
    capabilities: signedIn.capabilityInfo ?? session.capabilities,
  });
}

/** Exchange the token in memory for one that the cookie can renew. */
async function keep(): Promise<void> {
  const answer = await atSession({ Authorization: `Bearer ${token ?? ''}` });
  if (answer !== null) {
    token = answer.accessToken ?? token;
    remember(BEFORE, 'yes');
  }
}

/** End the session here and at the server. */
export async function signOut(): Promise<void> {
  try {
    await call('logout');
  } catch (error) {
    // It has ended already: all the same to somebody who leaves.
    if (!hasStatus(error, 401)) throw error;
  }
  forgetReadable();
  remember(BEFORE, 'no');
  become({ state: 'out', left: true, person: null });
}

/** Try the cookie, once for all who ask at the same time. */
async function renewed(): Promise<boolean> {
  renewing ??= renew().finally(() => {
    renewing = null;
  });
  return renewing;
}

async function renew(): Promise<boolean> {
  const answer = await atSession({});
  if (answer === null) {
    remember(BEFORE, 'no');
    return false;
  }
  // Another person's cookie must not turn this page into theirs under its user's hands.
  if (session.person !== null && answer.person?.id?.id !== session.person.id?.id) return false;
  token = answer.accessToken ?? null;
  become({
    state: 'in',
    left: false,
    person: answer.person ?? null,
    capabilities: answer.capabilityInfo ?? session.capabilities,
  });
  return true;
}

/** After a lost session: somebody may have signed in again in another tab. */
export async function tryAgain(): Promise<boolean> {
  return renewed();
}

async function atSession(headers: Record<string, string>): Promise<TokenizedPerson | null> {
  let response: Response;
  try {
    response = await fetch(address('/mr-api/burgee/session'), { method: 'POST', headers, credentials: 'same-origin' });
  } catch (cause) {
    throw new Unreachable(cause);
  }
  try {
    return (await read(response)) as TokenizedPerson;
  } catch (error) {
    if (error instanceof Problem && error.status < 500) return null;
    throw error;
  }
}

takeBearerFrom({
  token: () => token,
  async renew(refused) {
    // Others may have renewed it while this call was under way.
    if (token !== null && token !== refused) return true;
    // A temporary password's token opens one operation; nothing is lost.
    if (session.state === 'reset' || session.state === 'out') return false;
    if (await renewed()) return true;
    if (session.state === 'in') become({ state: 'lost' });
    return false;
  },
});
