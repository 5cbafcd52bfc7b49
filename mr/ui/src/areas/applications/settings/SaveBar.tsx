import { Button, Group, Text } from '@mantine/core';
import { UnsavedGuard } from '@/kit/UnsavedGuard';
import { useTexts } from '@/texts';

interface SaveBarProps {
  /** How many changes wait to be saved. */
  changed: number;
  busy: boolean;
  label: string;
  onSave: () => void;
  onReset: () => void;
}

/** Saves or discards what was edited above it, and guards it while it is not saved. */
export function SaveBar({ changed, busy, label, onSave, onReset }: SaveBarProps) {
  const t = useTexts();
  return (
    <Group justify="flex-end" gap="sm">
      <UnsavedGuard unsaved={changed > 0} />
      <Text size="sm" c="dimmed" role="status">
        {changed > 0 && t.applications.matrix.unsaved(changed)}
      </Text>
      <Button variant="default" disabled={changed === 0 || busy} onClick={onReset}>
        {t.common.discard}
      </Button>
      <Button disabled={changed === 0} loading={busy} onClick={onSave}>
        {label}
      </Button>
    </Group>
  );
}
