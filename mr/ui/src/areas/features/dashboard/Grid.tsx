/**
 * Features by environments, virtualised both ways.
 *
 * One tab stop: the grid has the focus and `aria-activedescendant` tells which cell is meant, so that a cell
 * that scrolls out of existence does not take the focus with it. Knows nothing of the server.
 */
import {
  defaultRangeExtractor,
  observeElementRect,
  type Range,
  useVirtualizer,
} from '@tanstack/react-virtual';
import {
  type KeyboardEvent,
  type MouseEvent,
  type PointerEvent,
  useCallback,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from 'react';
import { useTexts } from '@/texts';
import { CellCard } from './CellCard';
import styles from './Grid.module.css';
import { type Column, Row } from './Row';
import { type GridEnvironment, type GridFeature } from './table';

const ROW_HEIGHT = 44;
const HEADER_HEIGHT = 44;
const CARD_DELAY_MS = 350;
/** Below this the word for production leaves no room for the environment's name. */
const NARROW = 190;

export interface GridProps {
  features: readonly GridFeature[];
  environments: readonly GridEnvironment[];
  total: number;
  /** Environment null: the feature as a whole. */
  onOpen: (feature: GridFeature, environment: GridEnvironment | null) => void;
  onSwitch: (feature: GridFeature, environment: GridEnvironment) => void;
  onMenu: (feature: GridFeature, at: DOMRect) => void;
}

interface Place {
  row: number;
  /** -1: the feature's name. */
  column: number;
}

interface Hovered extends Place {
  at: DOMRect;
}

export function Grid(props: GridProps) {
  const { features, environments, total } = props;
  const t = useTexts();
  const idPrefix = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [active, setActive] = useState<Place>({ row: 0, column: 0 });
  const place = clamped(active, features.length, environments.length);
  const nameWidth = widthOfName(width);
  const columnWidth = widthOfColumn(width - nameWidth, environments.length);

  useEffect(() => {
    const element = scroller.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const rows = useVirtualizer({
    count: features.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 4,
    // Both directions in one rendering.
    useFlushSync: false,
    paddingStart: HEADER_HEIGHT,
    scrollPaddingStart: HEADER_HEIGHT,
    rangeExtractor: useCallback((range: Range) => including(range, place.row), [place.row]),
  });
  const columns = useVirtualizer({
    horizontal: true,
    count: environments.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => columnWidth,
    overscan: 1,
    useFlushSync: false,
    observeElementRect: observeRoomForColumns,
    rangeExtractor: useCallback((range: Range) => including(range, place.column), [place.column]),
  });
  useEffect(() => columns.measure(), [columns, columnWidth, nameWidth]);

  const shown = columns.getVirtualItems();
  // Rows are memoised: the list of columns changes only when other columns come into view.
  const signature = shown.map((item) => `${item.index}:${item.start}:${item.size}`).join();
  const inView = useMemo<readonly Column[]>(
    () =>
      signature === ''
        ? []
        : signature.split(',').map((each) => {
            const [index, start, size] = each.split(':').map(Number);
            return { index: index ?? 0, start: nameWidth + (start ?? 0), width: size ?? 0 };
          }),
    [signature, nameWidth],
  );

  const hover = useHover(features.length);
  const go = (next: Place) => {
    const target = clamped(next, features.length, environments.length);
    setActive(target);
    rows.scrollToIndex(target.row);
    if (target.column >= 0) columns.scrollToIndex(target.column);
    hover.hide();
  };
  const keys = (event: KeyboardEvent<HTMLDivElement>) => onKey(event, { ...props, place, go, idPrefix });
  const onClick = (event: MouseEvent<HTMLDivElement>) => {
    const hit = hitOf(event.target);
    if (hit === null) return;
    setActive(hit.place);
    hover.hide();
    act(hit, props);
  };
  const hovered = hover.place;
  const hoveredFeature = hovered === null ? undefined : features[hovered.row];
  const hoveredEnvironment = hovered === null ? undefined : environments[hovered.column];

  return (
    <>
      <div
        ref={scroller}
        className={styles.scroller}
        role="grid"
        aria-label={t.features.grid.label}
        aria-rowcount={total + 1}
        aria-colcount={environments.length + 1}
        aria-activedescendant={features.length > 0 ? cellId(idPrefix, place) : undefined}
        tabIndex={0}
        onKeyDown={keys}
        onClick={onClick}
        onContextMenu={(event) => {
          const hit = hitOf(event.target);
          const feature = hit === null ? undefined : features[hit.place.row];
          if (feature === undefined) return;
          event.preventDefault();
          props.onMenu(feature, new DOMRect(event.clientX, event.clientY, 0, 0));
        }}
        onPointerOver={hover.over}
        onPointerLeave={hover.hide}
        onScroll={hover.hide}
      >
        <div
          className={styles.canvas}
          style={{ height: rows.getTotalSize(), width: nameWidth + columns.getTotalSize() }}
          role="presentation"
        >
          <Header
            nameWidth={nameWidth}
            columns={inView}
            environments={environments}
            label={t.features.grid.count(features.length, total)}
          />
          {rows.getVirtualItems().map((item) => {
            const feature = features[item.index];
            return feature === undefined ? null : (
              <Row
                key={feature.id}
                feature={feature}
                index={item.index}
                top={item.start}
                nameWidth={nameWidth}
                columns={inView}
                environments={environments}
                active={place.row === item.index ? place.column : null}
                idPrefix={idPrefix}
                t={t}
              />
            );
          })}
        </div>
      </div>
      {hovered !== null && hoveredFeature !== undefined && hoveredEnvironment !== undefined ? (
        <CellCard feature={hoveredFeature} environment={hoveredEnvironment} at={hovered.at} />
      ) : null}
    </>
  );
}

interface HeaderProps {
  nameWidth: number;
  columns: readonly Column[];
  environments: readonly GridEnvironment[];
  label: string;
}

function Header({ nameWidth, columns, environments, label }: HeaderProps) {
  const t = useTexts().features.grid;
  return (
    <div role="row" aria-rowindex={1} className={styles.header}>
      <div role="columnheader" aria-colindex={1} className={styles.corner} style={{ width: nameWidth }}>
        {label}
      </div>
      {columns.map((column) => {
        const environment = environments[column.index];
        return environment === undefined ? null : (
          <div
            key={environment.id}
            role="columnheader"
            aria-colindex={column.index + 2}
            className={styles.head}
            style={{ left: column.start, width: column.width }}
          >
            <span className={styles.headName} title={environment.name}>
              {environment.name}
            </span>
            {environment.production ? (
              <span className={styles.production} title={t.production}>
                {column.width < NARROW ? t.productionShort : t.production}
              </span>
            ) : null}
          </div>
        );
      })}
    </div>
  );
}

function widthOfName(width: number): number {
  return width > 0 && width < 760 ? 190 : 300;
}

/** Columns are seen beside the names; what is scrolled behind these need not exist. */
const observeRoomForColumns: typeof observeElementRect<HTMLDivElement> = (instance, tell) =>
  observeElementRect(instance, ({ width, height }) => tell({ width: Math.max(0, width - widthOfName(width)), height }));

/** Environments share the room that is there; with many of them the grid scrolls sideways. */
function widthOfColumn(room: number, count: number): number {
  if (room <= 0 || count === 0) return 160;
  return Math.max(148, Math.min(340, Math.floor(room / count)));
}

function including(range: Range, index: number): number[] {
  const list = defaultRangeExtractor(range);
  if (index < 0 || index >= range.count || list.includes(index)) return list;
  return index < (list[0] ?? 0) ? [index, ...list] : [...list, index];
}

function clamped(place: Place, rows: number, columns: number): Place {
  return {
    row: Math.max(0, Math.min(rows - 1, place.row)),
    column: Math.max(-1, Math.min(columns - 1, place.column)),
  };
}

function cellId(prefix: string, place: Place): string {
  return `${prefix}-${place.row}-${place.column}`;
}

interface Hit {
  place: Place;
  action: string | null;
  element: HTMLElement;
}

/** Which cell an event is about, and which button in it. */
function hitOf(target: EventTarget): Hit | null {
  if (!(target instanceof Element)) return null;
  const cell = target.closest<HTMLElement>('[data-column]');
  const row = cell?.closest<HTMLElement>('[data-row]');
  if (cell === null || row === null || row === undefined) return null;
  const action = target.closest<HTMLElement>('[data-action]');
  return {
    place: { row: Number(row.dataset.row), column: Number(cell.dataset.column) },
    action: action?.dataset.action ?? null,
    element: action ?? cell,
  };
}

function act(hit: Hit, props: GridProps): void {
  const feature = props.features[hit.place.row];
  if (feature === undefined) return;
  const environment = props.environments[hit.place.column] ?? null;
  if (hit.action === 'menu') props.onMenu(feature, hit.element.getBoundingClientRect());
  else if (hit.action === 'switch' && environment !== null) props.onSwitch(feature, environment);
  else if (environment === null || environment.rights.read) props.onOpen(feature, environment);
}

interface KeyContext extends GridProps {
  place: Place;
  go: (next: Place) => void;
  idPrefix: string;
}

const PAGE = 15;

function onKey(event: KeyboardEvent<HTMLDivElement>, context: KeyContext): void {
  const { place, go, features, environments } = context;
  const feature = features[place.row];
  const environment = environments[place.column] ?? null;
  if (feature === undefined || event.altKey || event.metaKey) return;
  const moves: Record<string, Place> = {
    ArrowUp: { ...place, row: place.row - 1 },
    ArrowDown: { ...place, row: place.row + 1 },
    ArrowLeft: { ...place, column: place.column - 1 },
    ArrowRight: { ...place, column: place.column + 1 },
    PageUp: { ...place, row: place.row - PAGE },
    PageDown: { ...place, row: place.row + PAGE },
    Home: { row: event.ctrlKey ? 0 : place.row, column: -1 },
    End: { row: event.ctrlKey ? features.length - 1 : place.row, column: environments.length - 1 },
  };
  const move = moves[event.key];
  if (move !== undefined) go(move);
  else if (event.ctrlKey) return;
  else if (event.key === 'Enter') {
    if (environment === null || environment.rights.read) context.onOpen(feature, environment);
  } else if (event.key === ' ') {
    if (environment !== null && feature.type === 'BOOLEAN') context.onSwitch(feature, environment);
    else if (environment === null || environment.rights.read) context.onOpen(feature, environment);
  } else if (event.key === 'm' || event.key === 'ContextMenu' || (event.key === 'F10' && event.shiftKey)) {
    const element = document.getElementById(cellId(context.idPrefix, place));
    if (element !== null) context.onMenu(feature, element.getBoundingClientRect());
  } else return;
  event.preventDefault();
}

/** Shows a cell's details after the pointer has rested on it. */
function useHover(rows: number) {
  const [place, setPlace] = useState<Hovered | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const hide = useCallback(() => {
    clearTimeout(timer.current);
    setPlace(null);
  }, []);
  useEffect(() => hide, [hide, rows]);
  const over = useCallback((event: PointerEvent) => {
    if (event.pointerType === 'touch') return;
    clearTimeout(timer.current);
    const hit = hitOf(event.target);
    if (hit === null || hit.place.column < 0) {
      setPlace(null);
      return;
    }
    const cell = (event.target as Element).closest<HTMLElement>('[data-column]');
    timer.current = setTimeout(() => {
      if (cell?.isConnected) setPlace({ ...hit.place, at: cell.getBoundingClientRect() });
    }, CARD_DELAY_MS);
  }, []);
  return { place, hide, over };
}
