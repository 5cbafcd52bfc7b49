import { Text } from '@mantine/core';
import { useBlocker } from '@tanstack/react-router';
import type { Search } from '@/app/navigate';
import { useTexts } from '@/texts';
import { ConfirmDialog } from './dialogs';

interface UnsavedGuardProps {
  unsaved: boolean;
  /** Whether the input survives going there, for screens whose parts are in the address. */
  survives?: (here: Place, there: Place) => boolean;
  /** What would be lost. */
  text?: string;
}

interface Place {
  pathname: string;
  search: Search;
}

/** Asks before input that is not saved is left: by a link, by another choice in the address, by closing the tab. */
export function UnsavedGuard({ unsaved, survives, text }: UnsavedGuardProps) {
  const t = useTexts().applications.unsaved;
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => unsaved && survives?.(current as Place, next as Place) !== true,
    enableBeforeUnload: () => unsaved,
    withResolver: true,
  });
  // Made when it is needed: a closed one that waits would hear the very Escape that opens it.
  if (blocker.status !== 'blocked') return null;
  return (
    <ConfirmDialog
      opened
      onClose={blocker.reset}
      title={t.title}
      confirmLabel={t.leave}
      onConfirm={async () => blocker.proceed()}
    >
      <Text size="sm">{text ?? t.text}</Text>
    </ConfirmDialog>
  );
}
