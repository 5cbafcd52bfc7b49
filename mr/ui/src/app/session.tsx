/** The session as React sees it. */
import { createContext, useContext, useSyncExternalStore } from 'react';
import { useApi } from '@/api/hooks';
import { currentSession, onSession, type Session } from '@/api/session';
import type { Me } from './permissions';

export function useSession(): Session {
  return useSyncExternalStore(onSession, currentSession);
}

/** A capability that the server told at sign-in, such as `webhook.encryption`. */
export function useCapability(name: string): boolean {
  return useSession().capabilities[name] === 'true';
}

const WHO = { id: 'self', includeGroups: true, includeAcls: true };

/** The query behind `useMe`, for the frame. */
export function useMeQuery() {
  const { state } = useSession();
  return useApi('getPerson', WHO, { enabled: state === 'in', staleTime: 60_000 });
}

export const MeContext = createContext<Me | null>(null);

/** Who is signed in, with groups and roles. Only below the frame, which waits for the answer. */
export function useMe(): Me {
  const me = useContext(MeContext);
  if (me === null) throw new Error('useMe is for screens that need a session');
  return me;
}
