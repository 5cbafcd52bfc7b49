import { ActionIcon, Group, Select, Table, Text, UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowUp, IconChevronLeft, IconChevronRight, IconSelector } from '@tabler/icons-react';
import { type ReactNode, useMemo, useState } from 'react';
import { useTexts } from '@/texts';

export interface Column<Row> {
  key: string;
  title: string;
  render: (row: Row) => ReactNode;
  /** What to sort by in memory; without it (and without `sortable`) the column does not sort. */
  value?: (row: Row) => string | number | undefined;
  /** The server sorts by it: needs `sort` and `onSort` of the table. */
  sortable?: boolean;
  width?: number | string;
  align?: 'left' | 'right' | 'center';
  /** Hide the title visually, for columns of buttons. */
  bare?: boolean;
}

export interface Sort {
  key: string;
  descending: boolean;
}

export interface Paging {
  /** From 0. */
  page: number;
  size: number;
  total: number;
  onPage: (page: number) => void;
  onSize?: (size: number) => void;
}

interface DataTableProps<Row> {
  /** What the table shows, for screen readers. */
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  /** Given: the owner sorts. Absent: the table sorts what it has. */
  sort?: Sort;
  onSort?: (sort: Sort) => void;
  initialSort?: Sort;
  paging?: Paging;
  /** While an earlier answer is shown. */
  faded?: boolean;
}

const SIZES = ['20', '50', '100'];

/** A table with sorting and paging. Says nothing about emptiness: show an `EmptyState` instead. */
export function DataTable<Row>(props: DataTableProps<Row>) {
  const { label, columns, rows, rowKey, paging, faded } = props;
  const [own, setOwn] = useState<Sort | undefined>(props.initialSort);
  const sort = props.onSort ? props.sort : own;
  const onSort = props.onSort ?? setOwn;
  const shown = useMemo(() => (props.onSort ? rows : sorted(rows, columns, sort)), [props.onSort, rows, columns, sort]);
  return (
    <>
      <Table.ScrollContainer minWidth={480}>
        <Table
          highlightOnHover
          verticalSpacing="xs"
          aria-label={label}
          aria-busy={faded || undefined}
          style={{ opacity: faded ? 0.6 : 1 }}
        >
          <Table.Thead>
            <Table.Tr>
              {columns.map((column) => (
                <Heading key={column.key} column={column} sort={sort} onSort={onSort} />
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown.map((row) => (
              <Table.Tr key={rowKey(row)}>
                {columns.map((column) => (
                  <Table.Td key={column.key} ta={column.align}>
                    {column.render(row)}
                  </Table.Td>
                ))}
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {paging && <Pages {...paging} />}
    </>
  );
}

interface HeadingProps<Row> {
  column: Column<Row>;
  sort: Sort | undefined;
  onSort: (sort: Sort) => void;
}

function Heading<Row>({ column, sort, onSort }: HeadingProps<Row>) {
  const t = useTexts();
  const active = sort?.key === column.key;
  const direction = active ? (sort.descending ? 'descending' : 'ascending') : 'none';
  const Icon = active ? (sort.descending ? IconArrowDown : IconArrowUp) : IconSelector;
  const sorts = column.sortable || column.value;
  return (
    <Table.Th w={column.width} ta={column.align} aria-sort={sorts ? direction : undefined}>
      {sorts ? (
        <UnstyledButton
          fz="sm"
          fw={600}
          aria-label={t.common.sortBy(column.title)}
          onClick={() => onSort({ key: column.key, descending: active && !sort.descending })}
        >
          <Group gap={4} wrap="nowrap" component="span">
            {column.title}
            <Icon size={14} opacity={active ? 1 : 0.5} />
          </Group>
        </UnstyledButton>
      ) : (
        <span className={column.bare ? 'visually-hidden' : undefined}>{column.title}</span>
      )}
    </Table.Th>
  );
}

function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: Sort | undefined): readonly Row[] {
  const value = columns.find((column) => column.key === sort?.key)?.value;
  if (sort === undefined || value === undefined) return rows;
  const sign = sort.descending ? -1 : 1;
  return [...rows].sort((one, other) => sign * compared(value(one), value(other)));
}

function compared(one: string | number | undefined, other: string | number | undefined): number {
  if (one === undefined || other === undefined) return (one === undefined ? 1 : 0) - (other === undefined ? 1 : 0);
  if (typeof one === 'number' && typeof other === 'number') return one - other;
  return String(one).localeCompare(String(other), undefined, { numeric: true, sensitivity: 'base' });
}

function Pages({ page, size, total, onPage, onSize }: Paging) {
  const t = useTexts();
  const pages = Math.max(1, Math.ceil(total / size));
  return (
    <Group justify="flex-end" gap="sm" mt="xs">
      {onSize && (
        <Group gap={6}>
          <Text size="sm" c="dimmed" aria-hidden>
            {t.common.rowsPerPage}
          </Text>
          <Select
            size="xs"
            w={80}
            aria-label={t.common.rowsPerPage}
            data={SIZES}
            value={String(size)}
            allowDeselect={false}
            onChange={(chosen) => chosen && onSize(Number(chosen))}
          />
        </Group>
      )}
      <Text size="sm" c="dimmed" aria-live="polite">
        {t.common.rowsOf(total === 0 ? 0 : page * size + 1, Math.min(total, (page + 1) * size), total)}
      </Text>
      <ActionIcon
        variant="default"
        aria-label={t.common.previousPage}
        disabled={page === 0}
        onClick={() => onPage(page - 1)}
      >
        <IconChevronLeft size={16} />
      </ActionIcon>
      <ActionIcon
        variant="default"
        aria-label={t.common.nextPage}
        disabled={page + 1 >= pages}
        onClick={() => onPage(page + 1)}
      >
        <IconChevronRight size={16} />
      </ActionIcon>
    </Group>
  );
}
