/** The working screen: an application's features in all environments, and the editor beside them. */
import { Button, Group, Kbd, Pagination, Text } from '@mantine/core';
import { IconArrowBackUp, IconEyeOff, IconFlag, IconPlus, IconSearchOff, IconStack2 } from '@tabler/icons-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { hasStatus } from '@/api/problem';
import type { Application } from '@/api/schema';
import { isPortfolioAdmin, mayCreateFeatures } from '@/app/permissions';
import { useMe } from '@/app/session';
import { AppLink, useSearchParam } from '@/app/navigate';
import { EmptyState, Failure, Loading, Page } from '@/kit';
import { ForApplication } from '@/kit/ForApplication';
import { useTexts } from '@/texts';
import { CreateFeature } from '../definition/CreateFeature';
import { FeatureMenu, type MenuRequest } from '../definition/FeatureMenu';
import { EditorDrawer, useOpenFeature } from '../editor/EditorDrawer';
import { SavedLine } from '../editor/SavedLine';
import { type Choices, useChoices, useHidden, useLinkedFilter } from './choices';
import styles from './Dashboard.module.css';
import { useFreshValues } from './fresh';
import { Grid } from './Grid';
import { QuickSwitch, type QuickState, useQuickSwitch } from './QuickSwitch';
import type { GridFeature } from './table';
import { RowsSelect, Toolbar } from './Toolbar';
import { type GridState, useGrid } from './useGrid';

export default function Dashboard() {
  const t = useTexts().features;
  return (
    <ForApplication alone>
      {(application) => <OfApplication key={application.id} application={application} title={t.title} />}
    </ForApplication>
  );
}

function OfApplication({ application, title }: { application: Application; title: string }) {
  const t = useTexts().features;
  const me = useMe();
  const [text, setText] = useSearchParam('q');
  const [typed, setTyped] = useState(text);
  const [choices, setChoices] = useChoices(application.id);
  useLinkedFilter(application.id, choices, setChoices);
  const [page, setPage] = useState(0);
  const [hidden, setHidden] = useHidden(application.id);
  const [creating, setCreating] = useSearchParam('create');
  const [menu, setMenu] = useState<MenuRequest | null>(null);
  const grid = useGrid(application, choices, typed, page);
  useFreshValues(application.id);
  const open = useOpenFeature();
  const quick = useQuickSwitch(application);
  const area = useRef<HTMLDivElement>(null);
  const shown = useMemo(() => grid.environments.filter((each) => !hidden.has(each.id)), [grid.environments, hidden]);
  // Roles in the application alone: definitions may be made, but no value may be seen.
  const unseen = hasStatus(grid.error, 404);
  const mayCreate = mayCreateFeatures(me, application.id, application.portfolioId);
  const focusGrid = () => area.current?.querySelector<HTMLElement>('[role=grid]')?.focus();
  /** Switching back is a switch like any other: a new version, asked about in production. */
  const undo = () => {
    const feature = grid.features.find((each) => each.key === quick.saved?.key);
    const environment = grid.environments.find((each) => each.id === quick.saved?.environmentId);
    if (feature !== undefined && environment !== undefined) quick.request(feature, environment);
  };
  const narrow = (next: Choices) => {
    setChoices(next);
    setPage(0);
  };

  // The address follows the search with some distance; links to it find the same features.
  useEffect(() => {
    const timer = setTimeout(() => typed !== text && setText(typed), 400);
    return () => clearTimeout(timer);
  }, [typed, text, setText]);

  return (
    <div className={styles.screen} ref={area}>
      <Page
        title={title}
        fill
        actions={
          mayCreate ? (
            <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating('yes')}>
              {t.toolbar.create}
            </Button>
          ) : null
        }
      >
        <Toolbar
          portfolioId={application.portfolioId ?? ''}
          text={typed}
          onText={(next) => {
            setTyped(next);
            setPage(0);
          }}
          choices={choices}
          onChoices={narrow}
          environments={grid.environments}
          hidden={hidden}
          onHidden={(next) => setHidden(next, grid.environments.length)}
          onLeave={focusGrid}
        />
        <Failure error={unseen ? null : grid.error} onRetry={grid.retry} />
        <Content
          grid={grid}
          shown={shown.length}
          application={application}
          filtered={choices.filters.length > 0}
          mayCreate={mayCreate}
          onCreate={() => setCreating('yes')}
          onShowAll={() => setHidden(new Set(), grid.environments.length)}
          onReset={() => {
            setTyped('');
            narrow({ ...choices, types: [], filters: [] });
          }}
        >
          <Grid
            features={grid.features}
            environments={shown}
            total={grid.total}
            onOpen={(feature, environment) => open(feature.key, environment?.id)}
            onSwitch={quick.request}
            onMenu={(feature: GridFeature, at) => setMenu({ feature, at })}
          />
          <Footer
            saved={quick.saved}
            onUndo={undo}
            grid={grid}
            page={page}
            onPage={setPage}
            size={choices.size}
            onSize={(size) => narrow({ ...choices, size })}
          />
        </Content>
      </Page>
      {creating === 'yes' && mayCreate ? (
        <CreateFeature application={application} onClose={() => setCreating('')} />
      ) : null}
      <FeatureMenu
        application={application}
        request={menu}
        onClose={() => {
          setMenu(null);
          focusGrid();
        }}
      />
      <QuickSwitch state={quick} />
      <EditorDrawer application={application} onClosed={focusGrid} />
    </div>
  );
}

interface ContentProps {
  grid: GridState;
  shown: number;
  application: Application;
  /** The server counts only what the chosen filters let through. */
  filtered: boolean;
  mayCreate: boolean;
  onCreate: () => void;
  onShowAll: () => void;
  onReset: () => void;
  children: React.ReactNode;
}

/** The grid, or why there is none. */
function Content(props: ContentProps) {
  const { grid, shown, application, filtered, mayCreate, onCreate, onShowAll, onReset, children } = props;
  const t = useTexts().features;
  const me = useMe();
  if (hasStatus(grid.error, 404)) {
    return <EmptyState icon={IconEyeOff} title={t.empty.noAccess} text={t.empty.noAccessText} />;
  }
  if (grid.loading) return grid.error === null ? <Loading rows={10} /> : null;
  if (grid.total === 0 && grid.found === 0 && !filtered) {
    return (
      <EmptyState
        icon={IconFlag}
        title={t.empty.noFeatures}
        text={mayCreate ? t.empty.noFeaturesText : t.empty.noFeaturesForYou}
        action={mayCreate ? <Button onClick={onCreate}>{t.toolbar.create}</Button> : undefined}
      />
    );
  }
  if (grid.environments.length === 0) {
    const admin = isPortfolioAdmin(me, application.portfolioId);
    return (
      <EmptyState
        icon={IconStack2}
        title={t.empty.noEnvironmentAtAll}
        text={t.empty.noEnvironmentAtAllText}
        action={
          admin ? (
            <Button component={AppLink} to="/app-settings" search={{ tab: 'environments' }}>
              {t.empty.toSettings}
            </Button>
          ) : undefined
        }
      />
    );
  }
  if (shown === 0) {
    return (
      <EmptyState
        icon={IconEyeOff}
        title={t.empty.noEnvironments}
        text={t.empty.noEnvironmentsText}
        action={
          <Button variant="default" onClick={onShowAll}>
            {t.toolbar.showAll}
          </Button>
        }
      />
    );
  }
  if (grid.found === 0) {
    return (
      <EmptyState
        icon={IconSearchOff}
        title={t.empty.noMatch}
        text={t.empty.noMatchText}
        action={
          <Button variant="default" onClick={onReset}>
            {t.toolbar.reset}
          </Button>
        }
      />
    );
  }
  return <>{children}</>;
}

interface FooterProps {
  saved: QuickState['saved'];
  onUndo: () => void;
  grid: GridState;
  page: number;
  onPage: (page: number) => void;
  size: number | null;
  onSize: (size: number | null) => void;
}

function Footer({ saved, onUndo, grid, page, onPage, size, onSize }: FooterProps) {
  const t = useTexts().features;
  return (
    <Group justify="space-between" gap="sm">
      {saved === null ? null : (
        <SavedLine saved={saved}>
          <Button size="compact-xs" variant="default" leftSection={<IconArrowBackUp size={14} />} onClick={onUndo}>
            {t.quick.undo}
          </Button>
        </SavedLine>
      )}
      <Group gap={6} visibleFrom="md" display={saved === null ? undefined : 'none'}>
        <Kbd size="xs">↑ ↓ ← →</Kbd> <Kbd size="xs">Enter</Kbd> <Kbd size="xs">Space</Kbd> <Kbd size="xs">M</Kbd>
        <Text size="xs" c="dimmed">
          {t.grid.help}
        </Text>
      </Group>
      <Group gap="sm">
        {grid.partial ? (
          <Text size="xs" c="dimmed" role="status">
            {t.grid.partial(grid.features.length, grid.total)}
          </Text>
        ) : null}
        <RowsSelect size={size} onSize={onSize} all={!grid.remote} />
        {grid.pages > 1 ? (
          <Pagination size="sm" total={grid.pages} value={page + 1} onChange={(next) => onPage(next - 1)} />
        ) : null}
      </Group>
    </Group>
  );
}
