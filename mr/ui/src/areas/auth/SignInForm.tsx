import { Alert, Button, PasswordInput, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { call } from '@/api/client';
import { hasStatus } from '@/api/problem';
import { adopt } from '@/api/session';
import { Failure } from '@/kit/Failure';
import { useTexts } from '@/texts';

/** E-mail and password. Wrong ones are told without saying which. */
export function SignInForm({ onSignedIn, email: known = '' }: { onSignedIn?: () => void; email?: string }) {
  const t = useTexts();
  const [email, setEmail] = useState(known);
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await adopt(await call('login', { body: { email, password } }));
      onSignedIn?.();
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        {hasStatus(error, 400, 403, 404) ? (
          <Alert color="red" title={t.auth.wrongCredentials} role="alert">
            {t.auth.wrongCredentialsHint}
          </Alert>
        ) : (
          <Failure error={error} />
        )}
        <TextInput
          label={t.auth.email}
          type="email"
          name="email"
          autoComplete="username"
          data-autofocus
          required
          withAsterisk={false}
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <PasswordInput
          label={t.auth.password}
          name="password"
          autoComplete="current-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Button type="submit" loading={busy}>
          {t.auth.signIn}
        </Button>
      </Stack>
    </form>
  );
}
