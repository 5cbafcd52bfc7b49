import { Group, Kbd, Modal, Stack, Text } from '@mantine/core';
import { useDisclosure, useHotkeys } from '@mantine/hooks';
import { useTexts } from '@/texts';

/** `/` goes to the screen's search, `?` shows what there is. Inactive while somebody types. */
export function Shortcuts() {
  const t = useTexts();
  const [opened, help] = useDisclosure(false);
  useHotkeys([
    ['/', () => document.querySelector<HTMLInputElement>('input[data-search]')?.focus()],
    ['shift+?', help.open],
    ['?', help.open],
  ]);
  return (
    <Modal opened={opened} onClose={help.close} title={t.frame.shortcuts} closeButtonProps={{ 'aria-label': t.common.close }}>
      <Stack gap="xs">
        {t.frame.shortcutList.map(([keys, text]) => (
          <Group key={keys} justify="space-between" wrap="nowrap">
            <Text size="sm">{text}</Text>
            <Kbd style={{ flexShrink: 0, whiteSpace: 'nowrap' }}>{keys}</Kbd>
          </Group>
        ))}
      </Stack>
    </Modal>
  );
}
