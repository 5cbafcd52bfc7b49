/** Saving values, and keeping every screen that shows them up to date. */
import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { call, type OperationId } from '@/api/client';
import { invalidate } from '@/api/hooks';
import type { FeatureEnvironment } from '@/api/schema';
import { withValue } from '../dashboard/table';
import { type Draft, toWire } from './draft';
import type { FeatureValue, Table } from './wire';

export const TABLE = 'findAllFeatureAndFeatureValuesForEnvironmentsByApplication' satisfies OperationId;
export const VALUES = 'getAllFeatureValuesByApplicationForKey' satisfies OperationId;
export const HISTORY = 'listFeatureHistory' satisfies OperationId;

export interface Place {
  applicationId: string;
  environmentId: string;
  key: string;
}

/** Put a saved value into everything that shows it, instead of asking for thousands of others again. */
export function spread(client: QueryClient, place: Place, value: FeatureValue): void {
  client.setQueriesData<Table>({ queryKey: [TABLE] }, (table) =>
    table?.applicationId === place.applicationId ? withValue(table, place.environmentId, value) : table,
  );
  client.setQueriesData<FeatureEnvironment[]>(
    { queryKey: [VALUES, { id: place.applicationId, key: place.key }] },
    (list) =>
      list?.map((each) => (each.environment.id === place.environmentId ? { ...each, featureValue: value } : each)),
  );
  void invalidate(client, HISTORY);
}

export type Save = (place: Place, draft: Draft, version: number) => Promise<FeatureValue>;

/** Save a draft that was made from a version (0: there was no value). Throws what the client throws. */
export function useSave(): Save {
  const client = useQueryClient();
  return useCallback(
    async (place, draft, version) => {
      const { environmentId, key } = place;
      const body = toWire(draft, { key, environmentId, version });
      const saved = await call('updateFeatureForEnvironment', { params: { eid: environmentId, key }, body });
      spread(client, place, saved);
      // An answer that is under way may be from before: the next save would be refused for its version.
      const asked = { queryKey: [VALUES, { id: place.applicationId, key }] };
      if (client.isFetching(asked) > 0) void client.invalidateQueries(asked);
      return saved;
    },
    [client],
  );
}

/** Ask for one feature's values in all environments, whatever is cached. */
export async function freshValues(
  client: QueryClient,
  applicationId: string,
  key: string,
): Promise<FeatureEnvironment[]> {
  const values = await call(VALUES, { params: { id: applicationId, key } });
  client.setQueryData([VALUES, { id: applicationId, key }], values);
  for (const each of values) {
    if (each.featureValue !== undefined) {
      spread(client, { applicationId, environmentId: each.environment.id, key }, each.featureValue);
    }
  }
  return values;
}
