/**
 * One row of the grid: a feature and its values in the environments that are in view.
 *
 * Rendered while scrolling, so it is plain elements: no component of the library, no tooltip, no handler of
 * its own. The grid listens once, and finds out by `data-` attributes what was meant.
 */
import { memo } from 'react';
import { useRecentChange, valueKey } from '@/app/changes/marks';
import type { Texts } from '@/texts';
import type { FeatureType } from '../model/wire';
import styles from './Grid.module.css';
import pictures from './pictures.module.css';
import { type CellModel, cellOf, type GridEnvironment, type GridFeature, shortText } from './table';

// Made once: elements that never change are not made again for each of hundreds of cells.
const LOCK = <span aria-hidden className={`${pictures.picture} ${pictures.lock}`} />;
const RETIRED = <span aria-hidden className={`${pictures.picture} ${pictures.archive}`} />;
const BRANCH = <span aria-hidden className={`${pictures.picture} ${pictures.branch} ${styles.small}`} />;
const BOLT = <span aria-hidden className={`${pictures.picture} ${pictures.bolt}`} />;
const DOTS = <span aria-hidden className={`${pictures.picture} ${pictures.dots}`} />;
const TYPES: Readonly<Record<FeatureType, string>> = {
  BOOLEAN: `${styles.icon} ${pictures.picture} ${pictures.type} ${pictures.boolean}`,
  STRING: `${styles.icon} ${pictures.picture} ${pictures.type} ${pictures.string}`,
  NUMBER: `${styles.icon} ${pictures.picture} ${pictures.type} ${pictures.number}`,
  JSON: `${styles.icon} ${pictures.picture} ${pictures.type} ${pictures.json}`,
};

export interface Column {
  index: number;
  start: number;
  width: number;
}

interface RowProps {
  feature: GridFeature;
  index: number;
  top: number;
  nameWidth: number;
  columns: readonly Column[];
  environments: readonly GridEnvironment[];
  /** The active cell's column, -1 the name; null in every other row. */
  active: number | null;
  idPrefix: string;
  t: Texts;
}

export const Row = memo(function Row(props: RowProps) {
  const { feature, index, top, columns, environments, active, idPrefix, t } = props;
  return (
    <div role="row" aria-rowindex={index + 2} className={styles.row} style={{ top }} data-row={index}>
      <div
        role="rowheader"
        id={`${idPrefix}-${index}--1`}
        aria-colindex={1}
        className={active === -1 ? `${styles.name} ${styles.active}` : styles.name}
        style={{ width: props.nameWidth }}
        data-column={-1}
      >
        <span
          className={TYPES[feature.type]}
          title={t.common.types[feature.type]}
          role="img"
          aria-label={t.common.types[feature.type]}
        />
        <div className={styles.names}>
          <div className={styles.title} title={feature.description || feature.name}>
            {feature.name}
          </div>
          <div className={styles.key}>{feature.key}</div>
        </div>
        <button
          type="button"
          tabIndex={-1}
          className={styles.menu}
          data-action="menu"
          aria-label={t.features.grid.menu(feature.name)}
        >
          {DOTS}
        </button>
      </div>
      {columns.map((column) => {
        const environment = environments[column.index];
        return environment === undefined ? null : (
          <Cell
            key={environment.id}
            feature={feature}
            environment={environment}
            row={index}
            column={column}
            active={active === column.index}
            idPrefix={idPrefix}
            t={t}
          />
        );
      })}
    </div>
  );
});

interface CellProps {
  feature: GridFeature;
  environment: GridEnvironment;
  row: number;
  column: Column;
  active: boolean;
  idPrefix: string;
  t: Texts;
}

function Cell({ feature, environment, row, column, active, idPrefix, t }: CellProps) {
  const cell = cellOf(feature, environment);
  const recent = useRecentChange(valueKey(environment.id, feature.key));
  const classes = [styles.cell, active ? styles.active : '', recent === undefined ? '' : styles.fresh].join(' ');
  return (
    <div
      role="gridcell"
      id={`${idPrefix}-${row}-${column.index}`}
      aria-colindex={column.index + 2}
      aria-label={cellWords(t, feature, environment, cell, recent?.by)}
      className={classes}
      style={{ left: column.start, width: column.width }}
      data-column={column.index}
      data-state={cell.state}
      data-retired={cell.retired}
    >
      {cell.state === 'on' || cell.state === 'off' ? (
        <button
          type="button"
          role="switch"
          tabIndex={-1}
          data-action="switch"
          className={styles.switch}
          aria-checked={cell.state === 'on'}
          aria-disabled={!mayTry(environment, cell)}
          aria-label={t.features.grid.switch(feature.name, environment.name)}
        />
      ) : null}
      <span className={styles.value}>{valueText(t, cell)}</span>
      {cell.strategies > 0 ? (
        <>
          {/* Keeps value and count two words. */}{' '}
          <span className={styles.badge}>
            {BRANCH}
            {cell.strategies}
          </span>
        </>
      ) : null}
      {recent === undefined ? null : (
        <span
          className={`${styles.mark} ${styles.recent}`}
          title={t.features.grid.changedBy(recent.by)}
          data-testid="changed"
        >
          {BOLT}
        </span>
      )}
      {cell.retired ? <span className={styles.mark}>{RETIRED}</span> : null}
      {cell.locked ? <span className={`${styles.mark} ${styles.locked}`}>{LOCK}</span> : null}
    </div>
  );
}

/** Whether switching in place has a chance; the grid asks when the value is locked. */
export function mayTry(environment: GridEnvironment, cell: CellModel): boolean {
  const { rights } = environment;
  return rights.change && !cell.retired && (!cell.locked || rights.unlock);
}

export function valueText(t: Texts, cell: CellModel): string {
  const words = t.features.values;
  if (cell.state === 'hidden') return '–';
  if (cell.state === 'none') return words.none;
  if (cell.state === 'on') return words.on;
  if (cell.state === 'off') return words.off;
  return cell.served === '' ? words.empty : shortText(cell.served);
}

/** The whole cell for a screen reader. */
function cellWords(t: Texts, feature: GridFeature, environment: GridEnvironment, cell: CellModel, by?: string): string {
  if (cell.state === 'hidden') return `${environment.name}: ${t.features.values.noAccess}`;
  return [
    `${feature.name}, ${environment.name}: ${valueText(t, cell)}`,
    // Next to the value, as it is seen.
    cell.strategies > 0 ? t.features.grid.strategies(cell.strategies) : '',
    cell.locked ? t.features.grid.locked : '',
    cell.retired ? t.features.grid.retired : '',
    by === undefined ? '' : t.features.grid.changedBy(by),
  ]
    .filter((each) => each !== '')
    .join(', ');
}
