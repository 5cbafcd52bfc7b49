/**
 * Keeps the grid as others change it. Only the features that changed are asked for: the whole table may be
 * tens of thousands of values.
 */
import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { invalidate } from '@/api/hooks';
import { onNews } from '@/app/changes/news';
import { freshValues, TABLE } from '../model/saving';

const GATHERED_MS = 200;
/** When more than this has changed at once, the whole table is the smaller question. */
const MOST = 20;

export function useFreshValues(applicationId: string): void {
  const client = useQueryClient();
  useEffect(() => {
    const keys = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | null = null;
    const stop = onNews((changes) => {
      for (const change of changes) {
        if (change.kind === 'feature-value' && change.applicationId === applicationId && change.name !== undefined) {
          keys.add(change.name);
        }
      }
      if (keys.size === 0 || timer !== null) return;
      timer = setTimeout(() => {
        timer = null;
        const wanted = [...keys];
        keys.clear();
        void refresh(client, applicationId, wanted);
      }, GATHERED_MS);
    });
    return () => {
      stop();
      if (timer !== null) clearTimeout(timer);
    };
  }, [client, applicationId]);
}

async function refresh(client: QueryClient, applicationId: string, keys: readonly string[]): Promise<void> {
  try {
    if (keys.length > MOST) await invalidate(client, TABLE);
    else for (const key of keys) await freshValues(client, applicationId, key);
  } catch {
    // Deleted or out of sight meanwhile, or the server is away: the whole answer tells, and shows its failure.
    await invalidate(client, TABLE);
  }
}
