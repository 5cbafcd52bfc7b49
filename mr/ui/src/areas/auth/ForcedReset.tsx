import { Button, Stack } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { call } from '@/api/client';
import { faultOf } from '@/api/problem';
import { adopt } from '@/api/session';
import { useSession } from '@/app/session';
import { Failure } from '@/kit/Failure';
import { NewPassword } from '@/kit/NewPassword';
import { useTexts } from '@/texts';
import { Card } from './Card';

/** Whoever signed in with a temporary password chooses a new one before anything else. */
export function ForcedReset() {
  const t = useTexts();
  const { person } = useSession();
  const [password, setPassword] = useState('');
  const [fit, setFit] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const params = { id: person?.id?.id ?? '' };
      await adopt(await call('replaceTempPassword', { params, body: { password } }));
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Card title={t.auth.resetTitle} text={t.auth.resetText}>
      <form onSubmit={submit}>
        <Stack gap="sm">
          <Failure error={error} />
          <input type="email" name="email" autoComplete="username" value={person?.email ?? ''} readOnly hidden />
          <NewPassword
            value={password}
            error={faultOf(error, 'password')}
            onChange={(next, isFit) => {
              setPassword(next);
              setFit(isFit);
            }}
          />
          <Button type="submit" loading={busy} disabled={!fit}>
            {t.auth.resetSubmit}
          </Button>
        </Stack>
      </form>
    </Card>
  );
}
