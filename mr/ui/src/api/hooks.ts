/**
 * Operations as TanStack queries and mutations. Query keys are `[operationId, params]`, so that whoever hears
 * of a change (the live stream) knows what to invalidate.
 */
import {
  type QueryClient,
  queryOptions,
  type UseMutationResult,
  type UseQueryResult,
  useMutation,
  useQuery,
  useQueryClient,
} from '@tanstack/react-query';
import { type Answer, call, type Given, type OperationId, type Params } from './client';
import { asksForGone, deleting } from './gone';

/** Everything TanStack needs to ask an operation; for `useQuery`, `useQueries`, `prefetchQuery`. */
export function asking<Id extends OperationId>(id: Id, params: Params<Id>) {
  return queryOptions<Answer<Id>>({
    queryKey: [id, params],
    // Null, since a query may not answer undefined.
    queryFn: async ({ signal }) =>
      (await (call as Untyped)(id, { params }, { signal })) ?? (null as unknown as Answer<Id>),
  });
}

type Untyped = (id: OperationId, given: unknown, options?: { signal: AbortSignal }) => Promise<never>;

interface QueryChoices<Id extends OperationId> {
  enabled?: boolean;
  /** Keep showing the last answer while parameters change (paging, searching). */
  keep?: boolean;
  staleTime?: number;
  refetchInterval?: number | false;
  initialData?: Answer<Id>;
}

/** Ask an operation; answers are kept fresh by the live stream and by the screens that change them. */
export function useApi<Id extends OperationId>(
  id: Id,
  params: Params<Id>,
  { keep, ...choices }: QueryChoices<Id> = {},
): UseQueryResult<Answer<Id>, Error> {
  return useQuery({
    ...asking(id, params),
    ...(choices as object),
    ...(keep ? { placeholderData: (before: unknown) => before as never } : {}),
  });
}

/**
 * Call an operation that changes something. `mutateAsync({ params, body })`.
 *
 * `changes`: ids of the operations whose answers it changes; they are asked again.
 * `deletes`: id of the object that it deletes; nobody asks for that one again.
 */
export function useApiChange<Id extends OperationId>(
  id: Id,
  { changes = [], deletes }: { changes?: readonly OperationId[]; deletes?: string } = {},
): UseMutationResult<Answer<Id>, Error, Given<Id>> {
  const client = useQueryClient();
  return useMutation<Answer<Id>, Error, Given<Id>>({
    mutationFn: (given) => {
      const send = () => (call as Untyped)(id, given);
      return deletes === undefined ? send() : deleting(deletes, send);
    },
    onSuccess: () => invalidate(client, ...changes),
  });
}

/** Ask again whatever is shown of these operations, with any parameters; but not for what was deleted here. */
export async function invalidate(client: QueryClient, ...ids: readonly OperationId[]): Promise<void> {
  const predicate = ({ queryKey }: { queryKey: readonly unknown[] }) => !asksForGone(queryKey);
  await Promise.all(ids.map((id) => client.invalidateQueries({ queryKey: [id], predicate })));
}
