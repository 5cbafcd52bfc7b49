/**
 * Reads the live stream for as long as it is wanted: comes again after every end, goes on where it was, and lets
 * go of the connection while the tab is hidden (a browser has few of them for one server).
 */
import { fetchAsSelf } from '@/api/client';
import type { LiveNews } from '@/api/schema';
import { EventParser, type StreamEvent } from './events';

export type LiveState = 'connecting' | 'live' | 'away';

export interface LiveListener {
  onChanges: (news: LiveNews) => void;
  /** Everything may be different: what is shown is to be asked for anew. */
  onReset: () => void;
  onState: (state: LiveState) => void;
}

const PATH = '/mr-api/burgee/live';
/** The server says something at least every 15 s. */
const SILENT_MS = 40_000;
const HIDDEN_MS = 30_000;
const LONGEST_PAUSE_MS = 20_000;

/** Begin to read; call the result to stop. */
export function readLive(listener: LiveListener): () => void {
  const reader = new Reader(listener);
  void reader.run();
  return () => reader.stop();
}

class Reader {
  private stopped = false;
  private lastId: string | null = null;
  private failures = 0;
  private current: AbortController | null = null;
  private wake: () => void = () => undefined;

  constructor(private readonly listener: LiveListener) {
    document.addEventListener('visibilitychange', this.seen);
    window.addEventListener('online', this.seen);
  }

  stop(): void {
    this.stopped = true;
    document.removeEventListener('visibilitychange', this.seen);
    window.removeEventListener('online', this.seen);
    this.current?.abort();
    this.wake();
  }

  async run(): Promise<void> {
    while (!this.stopped) {
      this.listener.onState('connecting');
      const refused = await this.once();
      if (this.stopped) return;
      this.listener.onState('away');
      if (refused) return;
      if (document.hidden) await this.until(null);
      else await this.until(pause(this.failures));
    }
  }

  /** One connection, to its end; true when there is no use in coming again. */
  private async once(): Promise<boolean> {
    const control = new AbortController();
    this.current = control;
    const hidden = whenHidden(() => control.abort());
    try {
      const headers = { Accept: 'text/event-stream', ...(this.lastId === null ? {} : { 'Last-Event-ID': this.lastId }) };
      const response = await fetchAsSelf(PATH, { headers, signal: control.signal, cache: 'no-store' });
      // Signed out (the session tells that itself), or a server that does not know it.
      if (response.status >= 400 && response.status < 500) return true;
      if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
      await this.read(response.body, control);
    } catch {
      // The connection is gone, whatever the reason: come again later.
      this.failures += 1;
    } finally {
      hidden();
      control.abort();
    }
    return false;
  }

  private async read(body: ReadableStream<Uint8Array>, control: AbortController): Promise<void> {
    const parser = new EventParser();
    const text = new TextDecoder();
    const source = body.getReader();
    for (;;) {
      const silence = setTimeout(() => control.abort(), SILENT_MS);
      const piece = await source.read().finally(() => clearTimeout(silence));
      if (piece.done) return;
      for (const event of parser.feed(text.decode(piece.value, { stream: true }))) this.hear(event);
    }
  }

  private hear(event: StreamEvent): void {
    if (event.name === 'ready') {
      // What changed since the screens asked, while no connection came about, nobody will tell.
      if (this.lastId === null && this.failures > 0) this.listener.onReset();
      this.failures = 0;
      this.listener.onState('live');
    }
    if (event.id !== null) this.lastId = event.id;
    if (event.name === 'reset' || event.name === 'access') this.listener.onReset();
    if (event.name === 'change') this.listener.onChanges(JSON.parse(event.data) as LiveNews);
  }

  /** Wait; null = until the tab is seen again. */
  private async until(milliseconds: number | null): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = milliseconds === null ? null : setTimeout(resolve, milliseconds);
      this.wake = () => {
        if (timer !== null) clearTimeout(timer);
        resolve();
      };
    });
  }

  private readonly seen = () => {
    if (!document.hidden) this.wake();
  };
}

function pause(failures: number): number {
  const longest = Math.min(LONGEST_PAUSE_MS, 1_000 * 2 ** failures);
  return longest * (0.5 + Math.random() / 2);
}

/** Call `gone` once the tab has been hidden for a while; call the result to forget about it. */
function whenHidden(gone: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(gone, HIDDEN_MS);
  };
  look();
  document.addEventListener('visibilitychange', look);
  return () => {
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', look);
  };
}
