import { Text } from '@mantine/core';
import { useBlocker } from '@tanstack/react-router';
import { useTexts } from '@/texts';
import { ConfirmDialog } from './dialogs';

/** Asks before input that is not saved is left: by a link, by another choice in the address, by closing the tab. */
export function UnsavedGuard({ unsaved }: { unsaved: boolean }) {
  const t = useTexts().applications.unsaved;
  const blocker = useBlocker({
    shouldBlockFn: () => unsaved,
    enableBeforeUnload: () => unsaved,
    withResolver: true,
  });
  const blocked = blocker.status === 'blocked';
  return (
    <ConfirmDialog
      opened={blocked}
      onClose={() => blocked && blocker.reset()}
      title={t.title}
      confirmLabel={t.leave}
      onConfirm={async () => blocked && blocker.proceed()}
    >
      <Text size="sm">{t.text}</Text>
    </ConfirmDialog>
  );
}
