/** What is being edited of one feature, by environment. Environments that are as stored are not in it. */
import { useCallback, useState } from 'react';
import type { FeatureEnvironment } from '@/api/schema';
import { type Draft, draftOf, sameDraft } from '../model/draft';
import type { FeatureType } from '../model/wire';

export interface Editing {
  /** The version that the edit began with; 0 where there was no value. */
  version: number;
  base: Draft;
  draft: Draft;
}

export interface Drafts {
  editing: ReadonlyMap<string, Editing>;
  change: (environment: FeatureEnvironment, draft: Draft) => void;
  /** Go on from another version: after somebody else's was merged in. */
  rebase: (environmentId: string, editing: Editing) => void;
  drop: (environmentId: string) => void;
  clear: () => void;
}

export function useDrafts(type: FeatureType): Drafts {
  const [editing, setEditing] = useState<ReadonlyMap<string, Editing>>(new Map());
  const put = useCallback((id: string, next: Editing | null) => {
    setEditing((before) => {
      const after = new Map(before);
      if (next === null) after.delete(id);
      else after.set(id, next);
      return after;
    });
  }, []);
  const change = useCallback(
    (environment: FeatureEnvironment, draft: Draft) => {
      const { id } = environment.environment;
      const begun = editing.get(id);
      const base = begun?.base ?? draftOf(type, environment.featureValue);
      const version = begun?.version ?? environment.featureValue?.version ?? 0;
      put(id, sameDraft(type, base, draft) ? null : { version, base, draft });
    },
    [editing, put, type],
  );
  const rebase = useCallback(
    (id: string, next: Editing) => put(id, sameDraft(type, next.base, next.draft) ? null : next),
    [put, type],
  );
  const drop = useCallback((id: string) => put(id, null), [put]);
  const clear = useCallback(() => setEditing(new Map()), []);
  return { editing, change, rebase, drop, clear };
}
