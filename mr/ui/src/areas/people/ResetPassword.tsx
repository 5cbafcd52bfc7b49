import { Anchor, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useApiChange } from '@/api/hooks';
import { CopyField, FormDialog, useNotify } from '@/kit';
import { useTexts } from '@/texts';
import { temporaryPassword } from './status';

interface ResetPasswordProps {
  opened: boolean;
  onClose: () => void;
  id: string;
  name: string;
}

/** A temporary password, made here and shown until it is set. */
export function ResetPassword({ opened, onClose, id, name }: ResetPasswordProps) {
  const t = useTexts();
  const notify = useNotify();
  const [password, setPassword] = useState('');
  const reset = useApiChange('resetPassword', { changes: ['findPeople', 'getPerson'] });
  useEffect(() => {
    if (opened) setPassword(temporaryPassword());
  }, [opened]);
  return (
    <FormDialog
      opened={opened}
      onClose={onClose}
      title={t.people.resetTitle(name)}
      submitLabel={t.people.resetSubmit}
      danger
      onSubmit={async () => {
        await reset.mutateAsync({ params: { id }, body: { password } });
        notify.success(t.people.resetDone(name));
      }}
    >
      {() => (
        <>
          <Text size="sm">{t.people.resetText}</Text>
          <CopyField value={password} label={t.people.temporaryPassword} />
          <Text size="xs" c="dimmed">
            {t.people.temporaryHint}{' '}
            <Anchor component="button" type="button" size="xs" onClick={() => setPassword(temporaryPassword())}>
              {t.people.makeAnother}
            </Anchor>
          </Text>
        </>
      )}
    </FormDialog>
  );
}
