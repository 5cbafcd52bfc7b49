import { Alert, Button, Card, Group, Stack, Text } from '@mantine/core';
import { type FormEvent, type ReactNode, useEffect, useState } from 'react';
import { AppLink } from '@/app/navigate';
import { ConfirmDialog, Failure } from '@/kit';
import { UnsavedGuard } from '@/kit/UnsavedGuard';
import { useTexts } from '@/texts';
import { type StrategyDraft, StrategyEditor, sameStrategy, strategyFault, strategyWords } from '../features/strategies';

interface StrategyPageProps {
  initial: StrategyDraft;
  readOnly: boolean;
  submitLabel: string;
  /** Saves, and leaves when it resolves; input stays when it throws. */
  onSave: (draft: StrategyDraft) => Promise<void>;
  /** What to confirm first; nothing = it is saved at once. */
  review?: (draft: StrategyDraft) => { title: string; text: ReactNode } | null;
}

/** The editor of an application's strategy as a page: new ones and existing ones alike. */
export function StrategyPage({ initial, readOnly, submitLabel, onSave, review }: StrategyPageProps) {
  const t = useTexts();
  const { draft, setDraft, moved } = useFollowing(initial);
  const [strict, setStrict] = useState(false);
  const [reviewing, setReviewing] = useState(false);
  const { busy, error, done, save } = useSave(() => onSave(draft));
  const unsaved = !done && !sameStrategy(initial, draft);
  const asked = review?.(draft) ?? null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setStrict(true);
    if (strategyFault(draft) !== null || busy) return;
    if (asked === null) save().catch(() => undefined); // told in place by `error`
    else setReviewing(true);
  };
  return (
    <Card withBorder maw={880}>
      <UnsavedGuard unsaved={unsaved} />
      <form noValidate onSubmit={submit}>
        <Stack gap="md">
          {readOnly && <Alert color="gray">{t.strategies.readOnly}</Alert>}
          {moved && (
            <Alert color="orange" title={t.applications.stale.title} role="status">
              {t.applications.stale.now(`${initial.name}: ${strategyWords(t.features.strategy, initial)}`)}{' '}
              {t.applications.stale.again}
            </Alert>
          )}
          <Failure error={error} />
          <StrategyEditor value={draft} onChange={setDraft} strict={strict} readOnly={readOnly} />
          <Group justify="flex-end">
            <Text size="sm" c="dimmed" role="status">
              {unsaved && t.applications.unsaved.mark}
            </Text>
            <Button variant="default" component={AppLink} to="/application-strategies">
              {readOnly ? t.common.back : t.common.cancel}
            </Button>
            {!readOnly && (
              <Button type="submit" loading={busy}>
                {submitLabel}
              </Button>
            )}
          </Group>
        </Stack>
      </form>
      {asked !== null && (
        <ConfirmDialog
          opened={reviewing}
          onClose={() => setReviewing(false)}
          title={asked.title}
          confirmLabel={submitLabel}
          danger={false}
          onConfirm={save}
        >
          {asked.text}
        </ConfirmDialog>
      )}
    </Card>
  );
}

/** An untouched form follows what is stored; one that was edited stays, and says that something moved. */
function useFollowing(initial: StrategyDraft) {
  const [state, setState] = useState({ base: initial, draft: initial, moved: false });
  useEffect(() => {
    setState((old) => {
      if (sameStrategy(old.base, initial)) return old;
      const untouched = sameStrategy(old.base, old.draft);
      return { base: initial, draft: untouched ? initial : old.draft, moved: !untouched && !sameStrategy(old.draft, initial) };
    });
  }, [initial]);
  return {
    draft: state.draft,
    moved: state.moved,
    setDraft: (draft: StrategyDraft) => setState((old) => ({ ...old, draft })),
  };
}

/** Saving with its state. Once it is saved, leaving is not asked about any more. */
function useSave(onSave: () => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const [done, setDone] = useState(false);
  const save = async () => {
    setBusy(true);
    setError(null);
    setDone(true);
    try {
      await onSave();
    } catch (refused) {
      setDone(false);
      setError(refused);
      throw refused;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, done, save };
}
