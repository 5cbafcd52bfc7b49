import { Button, Divider, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { call } from '@/api/client';
import { useApi } from '@/api/hooks';
import { faultOf, hasStatus } from '@/api/problem';
import { adopt } from '@/api/session';
import { AppLink, Redirect, useSearchParams } from '@/app/navigate';
import { Starting } from '@/app/notices';
import { useSession } from '@/app/session';
import { Failure } from '@/kit/Failure';
import { NewPassword } from '@/kit/NewPassword';
import { useTexts } from '@/texts';
import { Card } from './Card';
import { ProviderButtons, useProviders } from './providers';

/** An invitation: whose it is, and what is needed to accept it. */
export default function Register() {
  const t = useTexts();
  const { token = '' } = useSearchParams();
  const { state, site } = useSession();
  const elsewhere = useProviders().length > 0;
  const invited = useApi('personByToken', { token }, { enabled: token !== '' && state !== 'starting', staleTime: 600_000 });
  const [done, setDone] = useState(false);
  if (done) return <Redirect to="/" />;
  if (token === '' || hasStatus(invited.error, 400, 404)) return <Gone />;
  if (invited.error) {
    return (
      <Card title={t.auth.registerTitle}>
        <Failure error={invited.error} onRetry={() => void invited.refetch()} />
      </Card>
    );
  }
  if (invited.data === undefined || site === null) return <Starting />;
  if (!site.providers.includes('local')) {
    return (
      <Card title={t.auth.registerTitle} text={t.auth.registerProviders}>
        <ProviderButtons />
      </Card>
    );
  }
  return (
    <Card title={t.auth.registerTitle} text={t.auth.registerText}>
      <Accept token={token} email={invited.data.email ?? ''} name={invited.data.name ?? ''} onDone={() => setDone(true)} />
      {elsewhere && (
        <>
          <Divider label={t.auth.or} />
          <ProviderButtons />
        </>
      )}
    </Card>
  );
}

function Gone() {
  const t = useTexts();
  return (
    <Card title={t.auth.registerGoneTitle} text={t.auth.registerGoneText}>
      <Button component={AppLink} to="/login" variant="default">
        {t.auth.toSignIn}
      </Button>
    </Card>
  );
}

interface AcceptProps {
  token: string;
  email: string;
  name: string;
  onDone: () => void;
}

function Accept({ token, email, name: known, onDone }: AcceptProps) {
  const t = useTexts();
  const [name, setName] = useState(known);
  const [password, setPassword] = useState('');
  const [fit, setFit] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const body = { name: name.trim(), email, password, confirmPassword: password, registrationToken: token };
      await adopt(await call('registerPerson', { body }));
      onDone();
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Failure error={error} />
        <TextInput label={t.auth.email} type="email" autoComplete="username" value={email} readOnly variant="filled" />
        <TextInput
          label={t.auth.name}
          autoComplete="name"
          data-autofocus
          maxLength={100}
          error={faultOf(error, 'name')}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <NewPassword
          value={password}
          error={faultOf(error, 'password')}
          onChange={(next, isFit) => {
            setPassword(next);
            setFit(isFit);
          }}
        />
        <Button type="submit" loading={busy} disabled={!fit || name.trim() === ''}>
          {t.auth.registerSubmit}
        </Button>
      </Stack>
    </form>
  );
}
