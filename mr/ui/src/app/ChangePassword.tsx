import { PasswordInput } from '@mantine/core';
import { useState } from 'react';
import { call } from '@/api/client';
import { faultOf } from '@/api/problem';
import { FormDialog } from '@/kit/dialogs';
import { useNotify } from '@/kit/notify';
import { NewPassword } from '@/kit/NewPassword';
import { useTexts } from '@/texts';
import { useMe } from './session';

/** Somebody's own password. Other sessions of theirs end. */
export function ChangePassword({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const t = useTexts();
  const me = useMe();
  const notify = useNotify();
  const [oldPassword, setOld] = useState('');
  const [newPassword, setNew] = useState('');
  const [fit, setFit] = useState(false);
  const close = () => {
    setOld('');
    setNew('');
    onClose();
  };
  return (
    <FormDialog
      opened={opened}
      onClose={close}
      title={t.frame.changePassword}
      incomplete={!fit || oldPassword === ''}
      onSubmit={async () => {
        await call('changePassword', { params: { id: me.id?.id ?? '' }, body: { oldPassword, newPassword } });
        notify.success(t.auth.passwordChanged);
      }}
    >
      {(error) => (
        <>
          <PasswordInput
            label={t.auth.currentPassword}
            autoComplete="current-password"
            data-autofocus
            value={oldPassword}
            onChange={(event) => setOld(event.currentTarget.value)}
          />
          <NewPassword
            value={newPassword}
            onChange={(password, isFit) => {
              setNew(password);
              setFit(isFit);
            }}
            error={faultOf(error, 'newPassword')}
          />
        </>
      )}
    </FormDialog>
  );
}
