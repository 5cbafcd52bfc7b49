/**
 * Objects that this page deletes. Their own screens are still shown for a moment, and news of the end often comes
 * before the answer: whoever asked for them again then would be told that there is no such thing.
 */
const gone = new Set<string>();

/** Delete an object by `send`; from now on nobody asks for it again, unless it was not deleted after all. */
export async function deleting<Result>(id: string, send: () => Promise<Result>): Promise<Result> {
  gone.add(id);
  try {
    return await send();
  } catch (refused) {
    gone.delete(id);
    throw refused;
  }
}

/** Whether a query, by its key (`[operationId, params]`), asks for something that was deleted here. */
export function asksForGone(queryKey: readonly unknown[]): boolean {
  if (gone.size === 0) return false;
  const asked = JSON.stringify(queryKey);
  return [...gone].some((id) => asked.includes(id));
}
