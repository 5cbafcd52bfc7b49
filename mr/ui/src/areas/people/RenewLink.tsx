import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useApiChange } from '@/api/hooks';
import { CopyField, Failure } from '@/kit';
import { useTexts } from '@/texts';

/** A new registration link: made only when asked for, since it ends the one before. */
export function RenewLink({ opened, onClose, email }: { opened: boolean; onClose: () => void; email: string }) {
  const t = useTexts();
  const renew = useApiChange('resetExpiredToken', { changes: ['findPeople'] });
  const [link, setLink] = useState<string | null>(null);
  useEffect(() => {
    if (opened) setLink(null);
  }, [opened]);
  const make = () =>
    // What went wrong is in `renew.error`.
    renew.mutateAsync({ params: { email } }).then((made) => setLink(made.registrationUrl ?? ''), () => undefined);
  return (
    <Modal opened={opened} onClose={onClose} title={t.people.renewTitle(email)} closeButtonProps={{ 'aria-label': t.common.close }}>
      <Stack gap="sm">
        <Failure error={renew.error} />
        {link === null ? (
          <>
            <Text size="sm">{t.people.renewText}</Text>
            <Group justify="flex-end">
              <Button variant="default" onClick={onClose}>
                {t.common.cancel}
              </Button>
              <Button loading={renew.isPending} onClick={() => void make()}>
                {t.people.renewSubmit}
              </Button>
            </Group>
          </>
        ) : (
          <>
            <Text size="sm">{t.people.linkText}</Text>
            <CopyField value={link} label={t.people.link} />
            <Group justify="flex-end">
              <Button onClick={onClose}>{t.people.linkDone}</Button>
            </Group>
          </>
        )}
      </Stack>
    </Modal>
  );
}
