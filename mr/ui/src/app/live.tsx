/** What others change appears without a reload: the live stream, and what follows from it for what is shown. */
import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect, useSyncExternalStore } from 'react';
import { asksForGone } from '@/api/gone';
import type { LiveChange, LiveNews } from '@/api/schema';
import { affects } from './changes/effects';
import { noteChanges } from './changes/marks';
import { tellNews } from './changes/news';
import { type LiveState, readLive } from './changes/reader';
import { useMe, useSession } from './session';

/** However often things change, screens ask again no more often than this, and leave the server time to rest. */
const CLOSEST_MS = 700;
const LONGEST_MS = 10_000;
const REST = 4;
/** More changes at once are not looked at one by one. */
const MOST = 1_000;

let state: LiveState = 'connecting';
const listeners = new Set<() => void>();

/** Whether changes are heard just now. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

/** Hears what others change. Mounted once, by the frame. */
export function useLive(): void {
  const client = useQueryClient();
  const signedIn = useSession().state === 'in';
  const myself = useMe().id?.id;
  useEffect(() => {
    if (!signedIn) return undefined;
    const later = new Later(client);
    const stop = readLive({
      onChanges(news: LiveNews) {
        // First to answers that are under way: those that are asked for now know it.
        tellNews(news.changes);
        later.ask(news.changes);
        noteChanges(news.changes.filter((change) => change.by.id !== myself));
      },
      onReset: () => later.askEverything(),
      onState(next) {
        state = next;
        for (const listener of listeners) listener();
      },
    });
    return () => {
      stop();
      later.stop();
    };
  }, [client, signedIn, myself]);
}

/** Asks again for what has changed: at once, and then not before a moment has passed. */
class Later {
  private changes = new Map<string, LiveChange>();
  private everything = false;
  private timer: ReturnType<typeof setTimeout> | null = null;
  private pause = CLOSEST_MS;

  constructor(private readonly client: QueryClient) {}

  ask(changes: readonly LiveChange[]): void {
    for (const change of changes) this.changes.set(`${change.kind} ${change.id}`, change);
    this.soon();
  }

  askEverything(): void {
    this.everything = true;
    this.soon();
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer);
  }

  private soon(): void {
    if (this.timer !== null) return;
    this.now();
    this.timer = setTimeout(() => {
      this.timer = null;
      if (this.everything || this.changes.size > 0) this.soon();
    }, this.pause);
  }

  private now(): void {
    const everything = this.everything || this.changes.size > MOST;
    const touched = affects([...this.changes.values()]);
    this.changes.clear();
    this.everything = false;
    const began = Date.now();
    // A failed answer is told by the screen that shows it.
    void this.client
      .invalidateQueries({ predicate: ({ queryKey }) => (everything || touched(queryKey)) && !asksForGone(queryKey) })
      .finally(() => {
        this.pause = Math.min(LONGEST_MS, Math.max(CLOSEST_MS, REST * (Date.now() - began)));
      });
  }
}
