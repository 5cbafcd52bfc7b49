import { Tooltip } from '@mantine/core';
import { IconBolt } from '@tabler/icons-react';
import { useRecentChange } from '@/app/changes/marks';
import { useTexts } from '@/texts';

/**
 * A small mark on what somebody else has changed within the last minute, with their name. `of`: the object's id,
 * or `valueKey(environmentId, featureKey)` of `app/changes/marks`.
 */
export function ChangedMark({ of, size = 14 }: { of: string; size?: number }) {
  const t = useTexts();
  const change = useRecentChange(of);
  if (change === undefined) return null;
  const label = t.insight.changedBy(change.by);
  return (
    <Tooltip label={label}>
      <IconBolt size={size} role="img" aria-label={label} color="var(--mantine-color-orange-6)" data-testid="changed" />
    </Tooltip>
  );
}
