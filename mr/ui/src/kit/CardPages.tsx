import { Group, Pagination } from '@mantine/core';
import { useTexts } from '@/texts';

interface CardPagesProps {
  /** From 0. */
  page: number;
  size: number;
  total: number;
  onPage: (page: number) => void;
}

/** Paging below cards. Nothing while one page holds them all. */
export function CardPages({ page, size, total, onPage }: CardPagesProps) {
  const t = useTexts().common;
  if (total <= size) return null;
  return (
    <Group justify="center">
      <Pagination
        total={Math.ceil(total / size)}
        value={page + 1}
        onChange={(next) => onPage(next - 1)}
        getControlProps={(control) => ({ 'aria-label': control === 'previous' ? t.previousPage : t.nextPage })}
      />
    </Group>
  );
}
