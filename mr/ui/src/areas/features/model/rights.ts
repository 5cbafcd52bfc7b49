/**
 * What somebody's roles in an environment let them do with a value there.
 *
 * The server decides; this only keeps what it would refuse out of sight.
 */
import type { Draft } from './draft';
import type { Role } from './wire';

export interface Rights {
  read: boolean;
  change: boolean;
  lock: boolean;
  unlock: boolean;
  write: boolean;
}

/** The two oldest application roles lock and unlock as well (contract, roles). */
export function rightsOf(roles: readonly string[], applicationRoles: readonly string[] = []): Rights {
  const old = applicationRoles.includes('FEATURE_EDIT') || applicationRoles.includes('FEATURE_CREATE');
  const has = (role: Role) => roles.includes(role);
  const rights = {
    read: roles.length > 0,
    change: has('CHANGE_VALUE'),
    lock: has('LOCK') || (old && roles.length > 0),
    unlock: has('UNLOCK') || (old && roles.length > 0),
  };
  return { ...rights, write: rights.change || rights.lock || rights.unlock };
}

/** Value, strategies and retirement can be edited: unlocked as stored, or being unlocked by this edit. */
export function contentEditable(rights: Rights, stored: Draft, draft: Draft): boolean {
  return rights.change && (!stored.locked || !draft.locked);
}

export function lockEditable(rights: Rights, stored: Draft): boolean {
  return stored.locked ? rights.unlock : rights.lock;
}
