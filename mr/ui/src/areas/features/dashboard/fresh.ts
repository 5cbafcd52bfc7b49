/** Which cells somebody else has changed a moment ago. */

const NOTHING: ReadonlyMap<string, ReadonlySet<string>> = new Map();

export function useFresh(_applicationId: string): ReadonlyMap<string, ReadonlySet<string>> {
  return NOTHING;
}
