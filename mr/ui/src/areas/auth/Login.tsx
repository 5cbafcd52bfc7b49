import { Alert, Anchor, Center, Divider, Loader, Text } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { call } from '@/api/client';
import { hasStatus } from '@/api/problem';
import { adopt } from '@/api/session';
import { pendingCode, spendCode } from '@/app/code';
import { AppLink, Redirect, useSearchParams } from '@/app/navigate';
import { ServerUnreachable, Starting } from '@/app/notices';
import { useSession } from '@/app/session';
import { Failure } from '@/kit/Failure';
import { useTexts } from '@/texts';
import { backFrom, forgetBack, keepBack } from '@/app/back';
import { Card } from './Card';
import { ForcedReset } from './ForcedReset';
import { ProviderButtons, useProviders } from './providers';
import { SignInForm } from './SignInForm';

/** Sign-in: with a password, with a provider, or with the code that a provider's way back has brought. */
export default function Login() {
  const t = useTexts();
  const { state, left, site } = useSession();
  const { back } = useSearchParams();
  const [code] = useState(pendingCode);
  const exchange = useExchange(code, state === 'out' || state === 'in' || state === 'reset');
  const redirect = site !== null && 'redirectUrl' in site ? site.redirectUrl : undefined;
  // Whoever has just signed out would be signed in again by a provider that still knows them.
  const leaving = state === 'out' && !left && code === null && redirect !== undefined;
  useEffect(() => {
    if (back !== undefined) keepBack(back);
    if (leaving) window.location.assign(redirect);
  }, [back, leaving, redirect]);

  if (state === 'unreachable') return <ServerUnreachable />;
  if (state === 'setup') return <Redirect to="/setup" />;
  if (exchange.busy) return <Starting />;
  if (state === 'in' || state === 'lost') return <GoBack back={back} />;
  if (state === 'reset') return <ForcedReset />;
  if (state === 'starting' || leaving) return <Starting />;
  return (
    <Card title={t.auth.signInTitle}>
      {hasStatus(exchange.error, 404) ? (
        <Alert color="orange" role="alert" title={t.auth.codeExpired}>
          {t.auth.codeExpiredHint}
        </Alert>
      ) : (
        <Failure error={exchange.error} />
      )}
      <Ways />
    </Card>
  );
}

function Ways() {
  const t = useTexts();
  const { site } = useSession();
  const local = site?.providers.includes('local') ?? false;
  const others = useProviders().length > 0;
  return (
    <>
      {others && <ProviderButtons />}
      {local && others && <Divider label={t.auth.or} />}
      {local && (
        <>
          <SignInForm />
          <Text size="sm" ta="center">
            <Anchor component={AppLink} to="/forgot-password" size="sm">
              {t.auth.forgot}
            </Anchor>
          </Text>
        </>
      )}
    </>
  );
}

function GoBack({ back }: { back: string | undefined }) {
  const [target] = useState(() => backFrom(back));
  useEffect(forgetBack, []);
  const [path = '/', query] = target.split('?');
  return (
    <>
      <Redirect to={path} search={Object.fromEntries(new URLSearchParams(query))} />
      <Center p="xl">
        <Loader />
      </Center>
    </>
  );
}

function useExchange(code: string | null, wanted: boolean) {
  const [error, setError] = useState<unknown>(null);
  const spent = useRef(false);
  const [busy, setBusy] = useState(code !== null);
  useEffect(() => {
    if (code === null || !wanted || spent.current) return;
    spent.current = true;
    spendCode();
    call('exchangeSignInCode', { body: { code } })
      .then(adopt)
      .catch(setError)
      .finally(() => setBusy(false));
  }, [code, wanted]);
  return { error, busy: busy && error === null };
}
