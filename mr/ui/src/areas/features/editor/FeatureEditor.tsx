/**
 * Edits one feature in all environments at once: a draft for each, saved one by one or together.
 *
 * Nothing typed is lost: drafts stay when saving fails, when somebody else saves, and leaving asks first.
 */
import { Box, Button, Group, NavLink, Select, Text } from '@mantine/core';
import { useHotkeys, useMediaQuery } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { IconLock, IconPointFilled } from '@tabler/icons-react';
import { useMemo } from 'react';
import type { Application, FeatureEnvironment } from '@/api/schema';
import { useSearchParam } from '@/app/navigate';
import { applicationRoles } from '@/app/permissions';
import { useMe } from '@/app/session';
import { UnsavedGuard } from '@/kit/UnsavedGuard';
import { useTexts } from '@/texts';
import { draftOf } from '../model/draft';
import { restorable } from '../model/history';
import { rightsOf } from '../model/rights';
import type { Feature } from '../model/wire';
import { useValueWords } from '../model/words';
import { ConflictDialog } from './ConflictDialog';
import { useDrafts } from './drafts';
import styles from './FeatureEditor.module.css';
import { ReviewDialog } from './ReviewDialog';
import { SavedLine } from './SavedLine';
import { useSaving } from './useSaving';
import { ValuePanel } from './ValuePanel';

interface FeatureEditorProps {
  application: Application;
  feature: Feature;
  values: readonly FeatureEnvironment[];
}

export function FeatureEditor({ application, feature, values }: FeatureEditorProps) {
  const t = useTexts().features;
  const me = useMe();
  const type = feature.valueType ?? 'BOOLEAN';
  const key = feature.key ?? '';
  const [wanted, setWanted] = useSearchParam('environment');
  const [history, setHistory] = useSearchParam('history');
  const drafts = useDrafts(type);
  const saving = useSaving({ applicationId: application.id, feature, values, drafts, onFaulty: setWanted });
  const roles = useMemo(() => [...applicationRoles(me, application.id, application.portfolioId)], [me, application]);
  const current = values.find((each) => each.environment.id === wanted) ?? values[0];
  const dirty = [...drafts.editing.keys()];
  useHotkeys([['mod+S', () => dirty.length > 0 && saving.save(dirty)]], []);
  if (current === undefined)
    return (
      <Text p="md" c="dimmed">
        {t.editor.noEnvironments}
      </Text>
    );
  const { id } = current.environment;
  const rights = rightsOf(current.roles, roles);
  return (
    <>
      <div className={styles.body}>
        <Environments feature={feature} values={values} current={id} dirty={new Set(dirty)} onChoose={setWanted} />
        <div className={styles.panel} key={id}>
          <ValuePanel
            applicationId={application.id}
            featureId={feature.id ?? ''}
            featureKey={key}
            type={type}
            environment={current}
            others={values.filter((each) => each !== current)}
            rights={rights}
            editing={drafts.editing.get(id)}
            refusal={saving.refusals.get(id)}
            history={history === 'yes'}
            onHistory={(shown) => setHistory(shown ? 'yes' : '')}
            onChange={(draft) => {
              saving.forget(id);
              drafts.change(current, draft);
            }}
            onRestore={(draft, leftOut) => {
              saving.forget(id);
              const base = drafts.editing.get(id)?.base ?? draftOf(type, current.featureValue);
              drafts.change(current, restorable(draft, base, rights));
              const text = [
                t.history.restored,
                leftOut.length > 0 ? t.history.unrestorable(leftOut.join(', ')) : '',
              ].join(' ');
              notifications.show({ message: text, withBorder: true });
            }}
            onCompare={() => saving.compare(id)}
          />
        </div>
      </div>
      <Footer
        current={id}
        dirty={dirty}
        production={current.environment.production === true}
        saving={saving}
        drafts={drafts}
      />
      {saving.review === null ? null : (
        <ReviewDialog items={saving.review.items} onConfirm={saving.review.confirm} onClose={saving.review.close} />
      )}
      {saving.conflict === null ? null : (
        <ConflictDialog key={saving.conflict.version} type={type} {...saving.conflict} />
      )}
      <UnsavedGuard
        unsaved={dirty.length > 0}
        // Choosing another environment keeps all drafts.
        survives={(here, there) => here.pathname === there.pathname && here.search.feature === there.search.feature}
        text={t.editor.leaveText(dirty.length)}
      />
    </>
  );
}

interface EnvironmentsProps {
  feature: Feature;
  values: readonly FeatureEnvironment[];
  current: string;
  dirty: ReadonlySet<string>;
  onChoose: (id: string) => void;
}

function Environments({ feature, values, current, dirty, onChoose }: EnvironmentsProps) {
  const t = useTexts().features;
  const words = useValueWords();
  const wide = useMediaQuery('(min-width: 720px)', true);
  const type = feature.valueType ?? 'BOOLEAN';
  if (!wide) {
    return (
      <Select
        m="md"
        mb={0}
        label={t.editor.environment}
        allowDeselect={false}
        data={values.map((each) => ({
          value: each.environment.id,
          label: `${each.environment.name}${dirty.has(each.environment.id) ? ` · ${t.editor.unsaved}` : ''}`,
        }))}
        value={current}
        onChange={(id) => id !== null && onChoose(id)}
      />
    );
  }
  return (
    <nav className={styles.environments} aria-label={t.editor.environments}>
      {values.map((each) => {
        const stored = draftOf(type, each.featureValue);
        const { id, name } = each.environment;
        return (
          <NavLink
            key={id}
            component="button"
            type="button"
            active={id === current}
            aria-current={id === current ? 'true' : undefined}
            label={name}
            description={
              <Text span inherit truncate display="block" className={stored.value === true ? styles.on : undefined}>
                {words(type, stored.value)}
              </Text>
            }
            rightSection={
              <Group gap={2} wrap="nowrap">
                {dirty.has(id) ? (
                  <IconPointFilled
                    size={16}
                    color="var(--mantine-color-orange-6)"
                    aria-label={t.editor.unsaved}
                    role="img"
                  />
                ) : null}
                {stored.locked ? <IconLock size={14} aria-label={t.grid.locked} role="img" /> : null}
              </Group>
            }
            onClick={() => onChoose(id)}
            styles={{ root: { borderRadius: 'var(--mantine-radius-sm)' }, body: { minWidth: 0 } }}
          />
        );
      })}
    </nav>
  );
}

interface FooterProps {
  current: string;
  dirty: readonly string[];
  production: boolean;
  saving: ReturnType<typeof useSaving>;
  drafts: ReturnType<typeof useDrafts>;
}

function Footer({ current, dirty, production, saving, drafts }: FooterProps) {
  const t = useTexts().features.editor;
  const here = dirty.includes(current);
  return (
    <Box className={styles.footer}>
      <Group justify="space-between">
        {dirty.length === 0 && saving.saved !== null ? (
          <SavedLine saved={saving.saved} />
        ) : (
          <Text size="sm" role="status" c={saving.faulty ? 'red' : undefined}>
            {saving.faulty ? t.faults.first : dirty.length === 0 ? '' : t.unsavedCount(dirty.length)}
          </Text>
        )}
        <Group gap="xs">
          <Button
            variant="default"
            disabled={!here}
            onClick={() => {
              saving.forget(current);
              drafts.drop(current);
            }}
          >
            {t.discard}
          </Button>
          {dirty.length > 1 ? (
            <Button variant="default" loading={saving.busy} onClick={() => saving.save(dirty)}>
              {t.saveAll(dirty.length)}
            </Button>
          ) : null}
          <Button disabled={!here} loading={saving.busy} onClick={() => saving.save([current])}>
            {production ? t.saveProduction : t.save}
          </Button>
        </Group>
      </Group>
    </Box>
  );
}
