/** What others change appears without a reload: the live stream, and what follows from it for what is shown. */
import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect, useSyncExternalStore } from 'react';
import { invalidate } from '@/api/hooks';
import type { LiveNews } from '@/api/schema';
import { affected } from './changes/effects';
import { noteChanges } from './changes/marks';
import { tellNews } from './changes/news';
import { type LiveState, readLive } from './changes/reader';
import { useMe, useSession } from './session';

/** However often things change, screens ask again no more often than this. */
const CLOSEST_MS = 700;

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
        later.ask(news.changes.map((change) => change.kind));
        tellNews(news.changes);
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
  private kinds = new Set<string>();
  private everything = false;
  private timer: ReturnType<typeof setTimeout> | null = null;

  constructor(private readonly client: QueryClient) {}

  ask(kinds: readonly string[]): void {
    for (const kind of kinds) this.kinds.add(kind);
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
      if (this.everything || this.kinds.size > 0) this.soon();
    }, CLOSEST_MS);
  }

  private now(): void {
    const operations = this.everything ? null : affected(this.kinds);
    this.kinds.clear();
    this.everything = false;
    // A failed answer is told by the screen that shows it.
    if (operations === null) void this.client.invalidateQueries();
    else void invalidate(this.client, ...operations);
  }
}
