/** Switching a boolean in the grid: at once where that is safe, after a question where it is not. */
import { notifications } from '@mantine/notifications';
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useState } from 'react';
import { hasStatus } from '@/api/problem';
import type { Application } from '@/api/schema';
import { useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { ReviewDialog, type ReviewItem } from '../editor/ReviewDialog';
import type { Saved } from '../editor/useSaving';
import { type Draft, draftOf } from '../model/draft';
import { freshValues, spread, useSave } from '../model/saving';
import { cellOf, type GridEnvironment, type GridFeature } from './table';

interface Wanted extends ReviewItem {
  key: string;
  environmentId: string;
  version: number;
  locked: boolean;
}

export interface QuickState {
  request: (feature: GridFeature, environment: GridEnvironment) => void;
  asked: Wanted | null;
  confirm: () => Promise<void>;
  cancel: () => void;
  /** The last one that was saved, to follow it to the SDKs. */
  saved: (Saved & { key: string }) | null;
}

export function useQuickSwitch(application: Application): QuickState {
  const t = useTexts().features;
  const client = useQueryClient();
  const save = useSave();
  const notify = useNotify();
  const [asked, setAsked] = useState<Wanted | null>(null);
  const [saved, setSaved] = useState<QuickState['saved']>(null);
  const applicationId = application.id;

  const perform = useCallback(
    async (wanted: Wanted) => {
      try {
        await save({ applicationId, environmentId: wanted.environmentId, key: wanted.key }, wanted.after, wanted.version);
      } catch (error) {
        if (!hasStatus(error, 409)) throw error;
        // Somebody was faster. What they did is worth looking at before it is switched once more.
        await freshValues(client, applicationId, wanted.key);
        notifications.show({ message: t.quick.overtaken(wanted.feature), color: 'orange', withBorder: true });
        return;
      }
      const value = wanted.after.value === true ? t.values.on : t.values.off;
      const text = t.quick.switched(wanted.feature, value, wanted.environment);
      setSaved({ environmentId: wanted.environmentId, key: wanted.key, at: Date.now(), text });
    },
    [save, client, applicationId, t],
  );

  const request = useCallback(
    (feature: GridFeature, environment: GridEnvironment) => {
      const cell = cellOf(feature, environment);
      const stored = environment.values.get(feature.key);
      if (cell.state !== 'on' && cell.state !== 'off') return;
      const refusal = refused(environment, cell);
      if (refusal !== null) {
        notifications.show({ message: t.quick[refusal], color: 'yellow', withBorder: true });
        return;
      }
      const before = draftOf('BOOLEAN', stored);
      const after: Draft = { ...before, locked: false, value: cell.state === 'off' };
      const wanted: Wanted = {
        feature: feature.name,
        key: feature.key,
        type: 'BOOLEAN',
        environment: environment.name,
        environmentId: environment.id,
        production: environment.production,
        version: cell.version,
        locked: cell.locked,
        before,
        after,
      };
      if (cell.locked || environment.production) {
        setAsked(wanted);
        return;
      }
      // Shown at once; what the server says replaces it.
      const place = { applicationId, environmentId: environment.id, key: feature.key };
      if (stored !== undefined) spread(client, place, { ...stored, value: after.value });
      perform(wanted).catch((error: unknown) => {
        if (stored !== undefined) spread(client, place, stored);
        notify.failure(error);
      });
    },
    [applicationId, client, perform, notify, t],
  );

  const confirm = useCallback(async () => {
    if (asked !== null) await perform(asked);
  }, [asked, perform]);
  const cancel = useCallback(() => setAsked(null), []);
  return { request, asked, confirm, cancel, saved };
}

type Refusal = 'notAllowed' | 'lockedNotAllowed' | 'retired';

function refused(environment: GridEnvironment, cell: { locked: boolean; retired: boolean }): Refusal | null {
  if (!environment.rights.change) return 'notAllowed';
  if (cell.retired) return 'retired';
  return cell.locked && !environment.rights.unlock ? 'lockedNotAllowed' : null;
}

export function QuickSwitch({ state }: { state: QuickState }) {
  const t = useTexts().features;
  const { asked } = state;
  if (asked === null) return null;
  const value = asked.after.value === true ? t.values.on : t.values.off;
  return (
    <ReviewDialog
      items={[asked]}
      title={asked.locked ? t.quick.lockedTitle : t.review.title}
      lead={asked.locked ? t.quick.lockedText(asked.environment) : undefined}
      confirmLabel={asked.locked ? t.quick.unlockAndSwitch(value) : undefined}
      onConfirm={state.confirm}
      onClose={state.cancel}
    />
  );
}
