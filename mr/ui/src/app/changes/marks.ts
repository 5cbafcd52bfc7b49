/**
 * What others changed a moment ago, for marks on what is shown. A store outside of React: many cells of a grid
 * look at it, and each is told only of its own.
 */
import { useEffect, useState, useSyncExternalStore } from 'react';
import type { LiveChange } from '@/api/schema';

export interface RecentChange {
  /** Who, as the audit says it. */
  by: string;
  at: number;
}

const REMEMBERED_MS = 60_000;
const MOST = 2_000;

const recent = new Map<string, RecentChange>();
const listeners = new Map<string, Set<() => void>>();

/** An object by its id; a value also by its environment and its feature's key, which is how grids know it. */
export function keysOf(change: Pick<LiveChange, 'kind' | 'id' | 'name' | 'environmentId'>): string[] {
  const keys = [change.id];
  if (change.kind === 'feature-value' && change.environmentId !== undefined && change.name !== undefined) {
    keys.push(valueKey(change.environmentId, change.name));
  }
  return keys;
}

export function valueKey(environmentId: string, featureKey: string): string {
  return `${environmentId}/${featureKey}`;
}

/** Note what somebody else did. */
export function noteChanges(changes: readonly LiveChange[], now = Date.now()): void {
  for (const change of changes) {
    const noted = { by: change.by.name ?? change.by.kind, at: now };
    for (const key of keysOf(change)) {
      recent.delete(key);
      recent.set(key, noted);
      tell(key);
    }
  }
  for (const [key, { at }] of recent) {
    if (recent.size <= MOST && now - at < REMEMBERED_MS) break;
    recent.delete(key);
    tell(key);
  }
}

function tell(key: string): void {
  for (const listener of listeners.get(key) ?? []) listener();
}

function subscribe(key: string, listener: () => void): () => void {
  const all = listeners.get(key) ?? new Set();
  listeners.set(key, all.add(listener));
  return () => {
    all.delete(listener);
    if (all.size === 0) listeners.delete(key);
  };
}

/** Who changed this within the last minute, if it was somebody else; the key is an id, or a `valueKey`. */
export function useRecentChange(key: string): RecentChange | undefined {
  const found = useSyncExternalStore(
    (listener) => subscribe(key, listener),
    () => recent.get(key),
  );
  const [, grownOld] = useState(0);
  useEffect(() => {
    if (found === undefined) return undefined;
    const timer = setTimeout(() => grownOld((count) => count + 1), found.at + REMEMBERED_MS - Date.now() + 50);
    return () => clearTimeout(timer);
  }, [found]);
  return found !== undefined && Date.now() - found.at < REMEMBERED_MS ? found : undefined;
}
