import { Checkbox, Table, Text, Tooltip } from '@mantine/core';
import type { KeyboardEvent, ReactNode } from 'react';
import { useTexts } from '@/texts';
import { columnTicked, extent, rolesOf, rowTicked, type Ticks, ticked } from '../matrix';

export interface MatrixRow {
  id: string;
  label: string;
  /** Beside the label: a production mark, for instance. */
  mark?: ReactNode;
}

export interface MatrixColumn<Role extends string> {
  role: Role;
  label: string;
  hint: string;
}

interface PermissionMatrixProps<Role extends string> {
  label: string;
  rowTitle: string;
  rows: readonly MatrixRow[];
  columns: readonly MatrixColumn<Role>[];
  ticks: Ticks<Role>;
  onChange: (ticks: Ticks<Role>) => void;
  disabled?: boolean;
}

/**
 * Boxes by row and column, with one for each whole row and each whole column.
 *
 * Tab reaches every box; the arrow keys go to the neighbours as well.
 */
export function PermissionMatrix<Role extends string>(props: PermissionMatrixProps<Role>) {
  const { label, rowTitle, rows, columns, ticks, onChange, disabled = false } = props;
  const t = useTexts();
  const roles = columns.map((column) => column.role);
  const ids = rows.map((row) => row.id);
  return (
    <Table.ScrollContainer minWidth={620}>
      <Table highlightOnHover verticalSpacing={6} aria-label={label} onKeyDown={moveFocus}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{rowTitle}</Table.Th>
            <Table.Th ta="center" w={80}>
              {t.applications.matrix.all}
            </Table.Th>
            {columns.map((column) => (
              <Table.Th key={column.role} ta="center">
                <ColumnBox
                  column={column}
                  boxes={rows.map((row) => rolesOf(ticks, row.id).includes(column.role))}
                  disabled={disabled}
                  onTick={(on) => onChange(columnTicked(ticks, roles, ids, column.role, on))}
                />
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={row.id}>
              <Table.Th scope="row" fw={500}>
                {row.label} {row.mark}
              </Table.Th>
              <Table.Td>
                <Box
                  label={t.applications.matrix.wholeRow(row.label)}
                  boxes={roles.map((role) => rolesOf(ticks, row.id).includes(role))}
                  disabled={disabled}
                  onTick={(on) => onChange(rowTicked(ticks, roles, row.id, on))}
                />
              </Table.Td>
              {columns.map((column) => (
                <Table.Td key={column.role}>
                  <Box
                    label={t.applications.matrix.tick(row.label, column.label)}
                    boxes={[rolesOf(ticks, row.id).includes(column.role)]}
                    disabled={disabled}
                    onTick={(on) => onChange(ticked(ticks, roles, row.id, column.role, on))}
                  />
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

interface BoxProps {
  label: string;
  boxes: readonly boolean[];
  disabled: boolean;
  onTick: (on: boolean) => void;
}

function Box({ label, boxes, disabled, onTick }: BoxProps) {
  const how = extent(boxes);
  return (
    <Checkbox
      aria-label={label}
      checked={how === 'all'}
      indeterminate={how === 'some'}
      disabled={disabled}
      onChange={(event) => onTick(event.currentTarget.checked)}
      styles={{ body: { justifyContent: 'center' } }}
      data-matrix
    />
  );
}

interface ColumnBoxProps<Role extends string> extends Omit<BoxProps, 'label'> {
  column: MatrixColumn<Role>;
}

function ColumnBox<Role extends string>({ column, ...box }: ColumnBoxProps<Role>) {
  const t = useTexts();
  return (
    <>
      <Tooltip label={column.hint} multiline maw={260}>
        <Text span size="sm" fw={600} style={{ cursor: 'help' }}>
          {column.label}
        </Text>
      </Tooltip>
      <Box label={t.applications.matrix.wholeColumn(column.label)} {...box} />
    </>
  );
}

const STEPS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
};

function moveFocus(event: KeyboardEvent<HTMLTableElement>): void {
  const step = STEPS[event.key];
  const cell = (event.target as HTMLElement).closest('td, th');
  const row = cell?.closest('tr');
  if (step === undefined || !cell || !row) return;
  const rows = Array.from(event.currentTarget.rows);
  const target = rows[rows.indexOf(row) + step[0]]?.cells[(cell as HTMLTableCellElement).cellIndex + step[1]];
  const box = target?.querySelector<HTMLInputElement>('input[data-matrix]');
  if (box) {
    event.preventDefault();
    box.focus();
  }
}
