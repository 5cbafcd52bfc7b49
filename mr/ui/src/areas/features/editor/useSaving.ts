/** What saving drafts can come to: saved, asked about first, refused, or in conflict with somebody else's. */
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useState } from 'react';
import { hasStatus } from '@/api/problem';
import type { FeatureEnvironment } from '@/api/schema';
import { useTexts } from '@/texts';
import { type Draft, draftOf } from '../model/draft';
import { freshValues, useSave } from '../model/saving';
import type { Feature } from '../model/wire';
import { violationTexts } from '../strategies/violations';
import type { Drafts, Editing } from './drafts';
import { draftFaults } from './faults';
import type { ReviewItem } from './ReviewDialog';
import type { Refusal } from './ValuePanel';

interface SavingInput {
  applicationId: string;
  feature: Feature;
  values: readonly FeatureEnvironment[];
  drafts: Drafts;
  /** Something has to be corrected there first. */
  onFaulty: (environmentId: string) => void;
}

interface Conflict {
  version: number;
  environment: string;
  who: string | undefined;
  base: Draft;
  mine: Draft;
  theirs: Draft;
  onResolve: (result: Draft) => Promise<void>;
  onClose: () => void;
}

interface Review {
  items: readonly ReviewItem[];
  confirm: () => Promise<void>;
  close: () => void;
}

/** What was saved last, to follow it to the SDKs. */
export interface Saved {
  environmentId: string;
  at: number;
  text: string;
}

/** The conflict is shown instead of an error. */
class InConflict extends Error {}

export function useSaving({ applicationId, feature, values, drafts, onFaulty }: SavingInput) {
  const texts = useTexts();
  const t = texts.features;
  const client = useQueryClient();
  const put = useSave();
  const [busy, setBusy] = useState(false);
  const [refusals, setRefusals] = useState<ReadonlyMap<string, Refusal>>(new Map());
  const [faulty, setFaulty] = useState(false);
  const [asked, setAsked] = useState<readonly string[] | null>(null);
  const [conflicting, setConflicting] = useState<{ id: string; theirs: FeatureEnvironment } | null>(null);
  const [saved, setSaved] = useState<Saved | null>(null);
  const type = feature.valueType ?? 'BOOLEAN';
  const key = feature.key ?? '';

  const forget = useCallback((id: string) => {
    setFaulty(false);
    setRefusals((before) => {
      if (!before.has(id)) return before;
      const after = new Map(before);
      after.delete(id);
      return after;
    });
  }, []);

  /** Save one draft. Throws `InConflict` after having shown it, and whatever else was refused. */
  const attempt = async (id: string, editing: Editing): Promise<void> => {
    const name = values.find((each) => each.environment.id === id)?.environment.name ?? '';
    try {
      await put({ applicationId, environmentId: id, key }, editing.draft, editing.version);
    } catch (error) {
      if (hasStatus(error, 409)) {
        const theirs = (await freshValues(client, applicationId, key)).find((each) => each.environment.id === id);
        if (theirs !== undefined && (theirs.featureValue?.version ?? 0) !== editing.version) {
          setConflicting({ id, theirs });
          throw new InConflict();
        }
      }
      const violations = violationTexts(t.strategy.faults, error);
      setRefusals((before) => new Map(before).set(id, { error, violations }));
      throw error;
    }
    drafts.drop(id);
    forget(id);
    setSaved({ environmentId: id, at: Date.now(), text: t.editor.saved(name) });
  };

  const attemptAll = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) {
      const editing = drafts.editing.get(id);
      // One after the other: each is a transaction of its own, and a refusal leaves the rest unsaved.
      if (editing !== undefined) await attempt(id, editing);
    }
  };

  const run = async (ids: readonly string[]): Promise<void> => {
    setBusy(true);
    try {
      await attemptAll(ids);
    } catch {
      // Told in the panel, or by the conflict's dialog.
    } finally {
      setBusy(false);
    }
  };

  const save = (ids: readonly string[]): void => {
    if (busy) return;
    const wrong = ids.find((id) => {
      const editing = drafts.editing.get(id);
      return editing !== undefined && draftFaults(type, editing.draft) !== null;
    });
    setFaulty(wrong !== undefined);
    if (wrong !== undefined) {
      onFaulty(wrong);
      return;
    }
    const production = ids.some(
      (id) => values.find((each) => each.environment.id === id)?.environment.production === true,
    );
    if (production) setAsked(ids);
    else void run(ids);
  };

  const review: Review | null =
    asked === null
      ? null
      : {
          items: asked.flatMap((id) => reviewItem(feature, values, drafts, id)),
          confirm: async () => {
            try {
              await attemptAll(asked);
            } catch (error) {
              if (!(error instanceof InConflict)) throw error;
            }
          },
          close: () => setAsked(null),
        };

  const compare = (id: string): void => {
    const theirs = values.find((each) => each.environment.id === id);
    if (theirs !== undefined) setConflicting({ id, theirs });
  };

  const conflict = conflictOf();
  function conflictOf(): Conflict | null {
    const editing = conflicting === null ? undefined : drafts.editing.get(conflicting.id);
    if (conflicting === null || editing === undefined) return null;
    const { id, theirs } = conflicting;
    const stored = draftOf(type, theirs.featureValue);
    const version = theirs.featureValue?.version ?? 0;
    return {
      version,
      environment: theirs.environment.name,
      who: theirs.featureValue?.whoUpdated?.name,
      base: editing.base,
      mine: editing.draft,
      theirs: stored,
      onResolve: async (result) => {
        const merged = { version, base: stored, draft: result };
        // Kept before it is sent: whatever happens then, the choice is not made twice.
        drafts.rebase(id, merged);
        try {
          await attempt(id, merged);
          setConflicting(null);
        } catch (error) {
          if (!(error instanceof InConflict)) throw error;
        }
      },
      onClose: () => setConflicting(null),
    };
  }

  return { save, busy, faulty, saved, refusals, forget, review, conflict, compare };
}

function reviewItem(feature: Feature, values: readonly FeatureEnvironment[], drafts: Drafts, id: string): ReviewItem[] {
  const environment = values.find((each) => each.environment.id === id);
  const editing = drafts.editing.get(id);
  if (environment === undefined || editing === undefined) return [];
  return [
    {
      feature: feature.name,
      type: feature.valueType ?? 'BOOLEAN',
      environment: environment.environment.name,
      production: environment.environment.production === true,
      before: editing.base,
      after: editing.draft,
      readers: environment.serviceAccounts.length,
    },
  ];
}
