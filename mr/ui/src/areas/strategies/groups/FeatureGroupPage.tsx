import { Alert, Button, Group, Stack, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useApi, useApiChange } from '@/api/hooks';
import { hasStatus } from '@/api/problem';
import type { Application, FeatureGroup } from '@/api/schema';
import { useSearchParams } from '@/app/navigate';
import { environmentRoles } from '@/app/permissions';
import { useMe } from '@/app/session';
import { ConfirmDialog, Failure, Loading, Page, useNotify } from '@/kit';
import { ForApplication } from '@/kit/ForApplication';
import { ProductionMark } from '@/kit/ProductionMark';
import { Propagation } from '@/kit/Propagation';
import { UnsavedGuard } from '@/kit/UnsavedGuard';
import { useTexts } from '@/texts';
import { Changes } from './Changes';
import { draftOf, type GroupDraft, isComplete, rebased, sameGroup, updateOf } from './draft';
import { GroupFeatures } from './GroupFeatures';
import { GroupStrategy } from './GroupStrategy';
import { FEATURE_GROUP_LISTS } from './lists';

/** One feature group: its strategy, its features, and the values that it serves. */
export default function FeatureGroupPage() {
  const { group: id = '' } = useSearchParams();
  return (
    <ForApplication alone>
      {(application) => <Loaded key={`${application.id} ${id}`} application={application} id={id} />}
    </ForApplication>
  );
}

function Loaded({ application, id }: { application: Application; id: string }) {
  const t = useTexts().strategies.groups;
  const query = useApi('getFeatureGroup', { appId: application.id, fgId: id });
  const group = query.data;
  const environment = application.environments.find((each) => each.id === group?.environmentId);
  return (
    <Page
      title={group?.name ?? t.title}
      lead={
        group && (
          <Group gap="xs" component="span">
            {t.inEnvironment} {group.environmentName} {environment && <ProductionMark environment={environment} />}
          </Group>
        )
      }
      breadcrumbs={[{ label: t.title, to: '/feature-groups', search: group ? { environment: group.environmentId } : {} }]}
    >
      {query.isPending && <Loading />}
      {query.error && group === undefined && <Failure error={query.error} onRetry={() => void query.refetch()} />}
      {group && (
        <Editor
          application={application}
          group={group}
          production={environment?.production === true}
          onReload={async () => {
            await query.refetch();
          }}
        />
      )}
    </Page>
  );
}

interface EditorProps {
  application: Application;
  group: FeatureGroup;
  production: boolean;
  onReload: () => Promise<void>;
}

function Editor({ application, group, production, onReload }: EditorProps) {
  const t = useTexts();
  const words = t.strategies.groups;
  const me = useMe();
  const { draft, setDraft, before, merged, unsaved, reset, saved } = useDraft(group);
  const [asking, setAsking] = useState(false);
  const { save, busy, error, savedAt } = useSave(application, group, draft, { onSaved: () => saved(before, draft), onReload });
  const editor = environmentRoles(me, group.environmentId, application.portfolioId).has('CHANGE_VALUE');
  const usable = unsaved && isComplete(draft);
  return (
    <Stack gap="md" maw={960}>
      <UnsavedGuard unsaved={unsaved} />
      {group.description !== undefined && group.description !== '' && <Text size="sm">{group.description}</Text>}
      {merged && (
        <Alert color="orange" title={t.applications.stale.title} role="status">
          {words.merged}
        </Alert>
      )}
      {!asking && <Failure error={error} />}
      <GroupStrategy draft={draft} onChange={setDraft} readOnly={!editor} />
      <GroupFeatures application={application} group={group} draft={draft} onChange={setDraft} readOnly={!editor} />
      <Group justify="flex-end">
        <Propagation environmentId={group.environmentId} savedAt={savedAt} />
      </Group>
      {editor && (
        <Group justify="flex-end">
          <Text size="sm" c="dimmed" role="status">
            {unsaved && t.applications.unsaved.mark}
          </Text>
          <Button variant="default" disabled={!unsaved} onClick={reset}>
            {t.common.discard}
          </Button>
          <Button
            disabled={!usable}
            loading={busy}
            onClick={() => (production ? setAsking(true) : save().catch(() => undefined))}
          >
            {words.apply}
          </Button>
        </Group>
      )}
      <ConfirmDialog
        opened={asking}
        onClose={() => setAsking(false)}
        danger={false}
        title={words.productionTitle(group.environmentName)}
        confirmLabel={words.apply}
        onConfirm={save}
      >
        <Stack gap="xs">
          <Text size="sm">{words.productionText}</Text>
          <Changes before={before} after={draft} />
        </Stack>
      </ConfirmDialog>
    </Stack>
  );
}

/** What was edited stays when the stored group moves on, and is put on top of what came. */
function useDraft(group: FeatureGroup) {
  const [state, setState] = useState(() => ({ before: draftOf(group), draft: draftOf(group), merged: false }));
  useEffect(() => {
    const now = draftOf(group);
    setState((old) => {
      if (sameGroup(old.before, now)) return { ...old, before: now };
      const draft = rebased(old.before, old.draft, now);
      return { before: now, draft, merged: !sameGroup(old.before, old.draft) && !sameGroup(now, draft) };
    });
  }, [group]);
  return {
    draft: state.draft,
    before: state.before,
    merged: state.merged,
    unsaved: !sameGroup(state.before, state.draft),
    setDraft: (draft: GroupDraft) => setState((old) => ({ ...old, draft })),
    /** What was sent is stored, unless an answer that came meanwhile knows better. */
    saved: (base: GroupDraft, sent: GroupDraft) =>
      setState((old) => (sameGroup(old.before, base) ? { ...old, before: sent, merged: false } : old)),
    reset: () => setState((old) => ({ ...old, draft: old.before, merged: false })),
  };
}

interface Saving {
  onSaved: () => void;
  onReload: () => Promise<void>;
}

function useSave(application: Application, group: FeatureGroup, draft: GroupDraft, { onSaved, onReload }: Saving) {
  const t = useTexts().strategies.groups;
  const notify = useNotify();
  const [error, setError] = useState<unknown>(null);
  const [savedAt, setSavedAt] = useState<number | null>(null);
  const update = useApiChange('updateFeatureGroup', { changes: FEATURE_GROUP_LISTS });
  const save = async () => {
    setError(null);
    try {
      await update.mutateAsync({ params: { appId: application.id }, body: updateOf(group, draft) });
    } catch (refused) {
      // What came with it is merged by the form, which says so.
      if (hasStatus(refused, 412)) await onReload();
      setError(refused);
      throw refused;
    }
    onSaved();
    setSavedAt(Date.now());
    notify.success(t.applied);
  };
  return { save, busy: update.isPending, error, savedAt };
}
