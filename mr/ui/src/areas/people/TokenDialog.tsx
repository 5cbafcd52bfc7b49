import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { CopyField } from '@/kit';
import { useTexts } from '@/texts';

/** A token, the one time that it can be seen. Closes by its button alone. */
export function TokenDialog({ name, token, onClose }: { name: string; token: string | null; onClose: () => void }) {
  const t = useTexts();
  return (
    <Modal
      opened={token !== null}
      onClose={onClose}
      title={t.people.accountReady(name)}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
    >
      <Stack gap="sm">
        <Text size="sm">{t.people.tokenText}</Text>
        <CopyField value={token ?? ''} label={t.people.token} />
        <Group justify="flex-end">
          <Button onClick={onClose}>{t.people.linkDone}</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
