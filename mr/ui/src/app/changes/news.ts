/**
 * Changes as they are heard, for screens that show so much that they ask only for what has changed.
 *
 * Everything else is asked again by kind; see `effects.ts`.
 */
import type { LiveChange } from '@/api/schema';

type Listener = (changes: readonly LiveChange[]) => void;

const listeners = new Set<Listener>();

/** Hear every change, one's own included; call the result to stop. */
export function onNews(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function tellNews(changes: readonly LiveChange[]): void {
  for (const listener of listeners) listener(changes);
}
