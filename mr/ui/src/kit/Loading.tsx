import { Skeleton, Stack, VisuallyHidden } from '@mantine/core';
import { useTexts } from '@/texts';

/** The shape of what is coming. */
export function Loading({ rows = 6 }: { rows?: number }) {
  const t = useTexts();
  return (
    <Stack gap="xs" role="status" aria-busy="true">
      <VisuallyHidden>{t.common.loading}</VisuallyHidden>
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={36} radius="sm" />
      ))}
    </Stack>
  );
}
