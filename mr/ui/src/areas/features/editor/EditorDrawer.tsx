/** The editor beside the grid. The address says what is open, so that a link opens it, too. */
import { ActionIcon, Anchor, Drawer, Group, Text } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useLayoutEffect, useRef } from 'react';
import { useApi } from '@/api/hooks';
import type { Application } from '@/api/schema';
import { type Search, useSearchParams } from '@/app/navigate';
import { Failure, Loading, TypeIcon } from '@/kit';
import { CopyIcon } from '@/kit/CopyField';
import { useTexts } from '@/texts';
import { VALUES } from '../model/saving';
import type { Feature } from '../model/wire';
import styles from './FeatureEditor.module.css';

// Not needed for the grid, which is what people wait for.
const FeatureEditor = lazy(async () => ({ default: (await import('./FeatureEditor')).FeatureEditor }));

/** Opens a feature's values, in an environment or in the first one. */
export function useOpenFeature() {
  const navigate = useNavigate();
  return useCallback(
    (key: string | undefined, environment?: string, more: Search = {}) =>
      void navigate({
        to: '.',
        search: ((before: Search) => ({ ...before, feature: key, environment, history: undefined, ...more })) as never,
      }),
    [navigate],
  );
}

export function EditorDrawer({ application, onClosed }: { application: Application; onClosed: () => void }) {
  const { feature: key } = useSearchParams();
  const open = useOpenFeature();
  const close = () => open(undefined);
  const opened = key !== undefined && key !== '';
  const inside = useRef<HTMLDivElement>(null);
  // Before it is painted: whoever sees the drawer can close it.
  useLayoutEffect(() => {
    if (!opened) return undefined;
    const leave = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && isForDrawer(event, inside.current)) open(undefined);
    };
    window.addEventListener('keydown', leave);
    return () => window.removeEventListener('keydown', leave);
  }, [opened, open]);
  return (
    <Drawer.Root
      opened={opened}
      onClose={close}
      onExitTransitionEnd={onClosed}
      position="right"
      size="min(980px, 100vw)"
      closeOnEscape={false}
    >
      <Drawer.Overlay backgroundOpacity={0.25} />
      <Drawer.Content>
        {/* Takes the focus: the first button in it would show its tooltip. */}
        <div className={styles.drawer} ref={inside} tabIndex={-1} data-autofocus>
          {opened ? <Opened key={key} application={application} featureKey={key} onClose={close} /> : null}
        </div>
      </Drawer.Content>
    </Drawer.Root>
  );
}

/** Escape closes what is on top: a dialog, a list or a drag above the drawer comes first. */
function isForDrawer(event: KeyboardEvent, drawer: HTMLElement | null): boolean {
  if (event.defaultPrevented || event.isComposing || !(event.target instanceof Element)) return false;
  if (event.target.getAttribute('data-mantine-stop-propagation') === 'true') return false;
  if (event.target === document.body) return true;
  // The focus comes from the grid into the drawer a moment after it is seen.
  const within = event.target.closest('[role=dialog], [role=grid]');
  return within?.getAttribute('role') === 'grid' || within?.contains(drawer) === true;
}

interface OpenedProps {
  application: Application;
  featureKey: string;
  onClose: () => void;
}

function Opened({ application, featureKey, onClose }: OpenedProps) {
  const params = { id: application.id, key: featureKey };
  const feature = useApi('getFeatureByKey', params);
  const values = useApi(VALUES, params);
  const error = feature.error ?? values.error;
  return (
    <>
      <Heading feature={feature.data} featureKey={featureKey} onClose={onClose} />
      {error !== null && (feature.data === undefined || values.data === undefined) ? (
        <div style={{ padding: 'var(--mantine-spacing-md)' }}>
          <Failure error={error} onRetry={() => void Promise.all([feature.refetch(), values.refetch()])} />
        </div>
      ) : feature.data === undefined || values.data === undefined ? (
        <div style={{ padding: 'var(--mantine-spacing-md)' }}>
          <Loading />
        </div>
      ) : (
        <Suspense fallback={<Loading />}>
          <FeatureEditor application={application} feature={feature.data} values={values.data} />
        </Suspense>
      )}
    </>
  );
}

function Heading({
  feature,
  featureKey,
  onClose,
}: {
  feature: Feature | undefined;
  featureKey: string;
  onClose: () => void;
}) {
  const t = useTexts();
  return (
    <div className={styles.heading}>
      <Group gap="xs" wrap="nowrap" miw={0} flex={1}>
        {feature?.valueType === undefined ? null : <TypeIcon type={feature.valueType} />}
        <div style={{ minWidth: 0 }}>
          <Drawer.Title fw={650} fz="lg" style={{ overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }}>
            {feature?.name ?? featureKey}
          </Drawer.Title>
          <Group gap={4} wrap="nowrap">
            <Text size="xs" c="dimmed" ff="monospace" truncate>
              {featureKey}
            </Text>
            <CopyIcon value={featureKey} label={t.features.menu.copyKey} size="xs" />
            {feature?.link !== undefined && /^https?:\/\//i.test(feature.link) ? (
              <Anchor href={feature.link} target="_blank" rel="noreferrer" size="xs" ml={6} style={{ flex: 'none' }}>
                {t.features.editor.link}
              </Anchor>
            ) : null}
            {feature?.description === undefined || feature.description === '' ? null : (
              <Text size="xs" c="dimmed" truncate ml={6}>
                {feature.description}
              </Text>
            )}
          </Group>
        </div>
      </Group>
      <ActionIcon variant="subtle" color="gray" onClick={onClose} aria-label={t.common.close}>
        <IconX size={18} />
      </ActionIcon>
    </div>
  );
}
