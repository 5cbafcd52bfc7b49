import { Button, Divider, Group, Stack, Stepper, Text, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import { call } from '@/api/client';
import { faultOf, hasStatus } from '@/api/problem';
import { adopt, refreshSite, start } from '@/api/session';
import type { SetupSiteAdmin } from '@/api/schema';
import { Redirect, useGo } from '@/app/navigate';
import { ServerUnreachable, Starting } from '@/app/notices';
import { useSession } from '@/app/session';
import { Failure } from '@/kit/Failure';
import { NewPassword } from '@/kit/NewPassword';
import { useTexts } from '@/texts';
import { Card } from './Card';
import { ProviderButton, useProviders } from './providers';

interface Administrator {
  name: string;
  emailAddress: string;
  password: string;
}

/** First set-up in three pages: who administers, what the organisation is called, done. */
export default function Setup() {
  const t = useTexts();
  const { state } = useSession();
  const [page, setPage] = useState(0);
  const [administrator, setAdministrator] = useState<Administrator>({ name: '', emailAddress: '', password: '' });
  const [provider, setProvider] = useState<string | null>(null);
  const go = useGo();
  if (state === 'unreachable') return <ServerUnreachable />;
  if (state === 'starting') return <Starting />;
  // The last page stands while its session has begun.
  if (state !== 'setup' && page !== 2) return <Redirect to="/" />;
  return (
    <Card title={page === 2 ? t.auth.setupDoneTitle : t.auth.setupTitle} text={page === 2 ? t.auth.setupDoneText : undefined} width={520}>
      <Stepper active={page} size="xs" allowNextStepsSelect={false} onStepClick={page === 1 ? setPage : undefined}>
        {t.auth.setupSteps.map((step) => (
          <Stepper.Step key={step} label={step} />
        ))}
      </Stepper>
      {page === 0 && (
        <AdministratorPage
          value={administrator}
          onChange={setAdministrator}
          onNext={(external) => {
            setProvider(external);
            setPage(1);
          }}
        />
      )}
      {page === 1 && (
        <OrganizationPage
          administrator={administrator}
          provider={provider}
          onBack={() => setPage(0)}
          onDone={() => setPage(2)}
        />
      )}
      {/* The session begins a moment after the page is shown; without it everything leads back here. */}
      {page === 2 && (
        <Button loading={state === 'setup'} onClick={() => void go('/applications')}>
          {t.auth.setupGo}
        </Button>
      )}
    </Card>
  );
}

interface AdministratorPageProps {
  value: Administrator;
  onChange: (value: Administrator) => void;
  /** With the name of an identity provider, or null for a password. */
  onNext: (provider: string | null) => void;
}

function AdministratorPage({ value, onChange, onNext }: AdministratorPageProps) {
  const t = useTexts();
  const { site } = useSession();
  const providers = useProviders();
  const [fit, setFit] = useState(false);
  const local = site?.providers.includes('local') ?? true;
  const complete = fit && value.name.trim() !== '' && /^[^@\s]+@[^@\s]+$/.test(value.emailAddress);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (complete) onNext(null);
  };
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {t.auth.setupAdminText}
      </Text>
      {providers.length > 0 && <Text size="sm">{t.auth.setupWith}</Text>}
      {providers.map(([name, info]) => (
        <ProviderButton key={name} info={info} loading={false} onClick={() => onNext(name)} />
      ))}
      {local && providers.length > 0 && <Divider label={t.auth.or} />}
      {local && (
        <form onSubmit={submit}>
          <Stack gap="sm">
            <TextInput
              label={t.auth.name}
              autoComplete="name"
              data-autofocus
              maxLength={100}
              value={value.name}
              onChange={(event) => onChange({ ...value, name: event.currentTarget.value })}
            />
            <TextInput
              label={t.auth.email}
              type="email"
              autoComplete="username"
              maxLength={100}
              value={value.emailAddress}
              onChange={(event) => onChange({ ...value, emailAddress: event.currentTarget.value })}
            />
            <NewPassword
              value={value.password}
              onChange={(password, isFit) => {
                onChange({ ...value, password });
                setFit(isFit);
              }}
            />
            <Button type="submit" disabled={!complete}>
              {t.auth.setupNext}
            </Button>
          </Stack>
        </form>
      )}
    </Stack>
  );
}

interface OrganizationPageProps {
  administrator: Administrator;
  provider: string | null;
  onBack: () => void;
  onDone: () => void;
}

function OrganizationPage({ administrator, provider, onBack, onDone }: OrganizationPageProps) {
  const t = useTexts();
  const [organizationName, setOrganization] = useState('');
  const [portfolio, setPortfolio] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    const names = { organizationName: organizationName.trim(), portfolio: portfolio.trim() };
    const body: SetupSiteAdmin =
      provider === null ? { ...names, ...administrator } : { ...names, authProvider: provider };
    try {
      const answer = await call('setupSiteAdmin', { body });
      if (answer.redirectUrl !== undefined) {
        window.location.assign(answer.redirectUrl);
        return;
      }
      // First the page, or the beginning session would lead away from it.
      onDone();
      await adopt(answer);
      await refreshSite();
    } catch (refused) {
      if (hasStatus(refused, 409)) await start();
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Failure error={error} />
        <TextInput
          label={t.auth.setupOrganization}
          description={t.auth.setupOrganizationHint}
          data-autofocus
          maxLength={255}
          error={faultOf(error, 'organizationName')}
          value={organizationName}
          onChange={(event) => setOrganization(event.currentTarget.value)}
        />
        <TextInput
          label={t.auth.setupPortfolio}
          description={t.auth.setupPortfolioHint}
          maxLength={200}
          error={faultOf(error, 'portfolio')}
          value={portfolio}
          onChange={(event) => setPortfolio(event.currentTarget.value)}
        />
        <Group justify="space-between">
          <Button variant="default" onClick={onBack}>
            {t.common.back}
          </Button>
          <Button type="submit" loading={busy} disabled={organizationName.trim() === '' || portfolio.trim() === ''}>
            {t.auth.setupFinish}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
