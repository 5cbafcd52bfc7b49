import { Button, Stack } from '@mantine/core';
import { IconLogin2 } from '@tabler/icons-react';
import { useState } from 'react';
import { call } from '@/api/client';
import type { IdentityProviderInfo } from '@/api/schema';
import { Failure } from '@/kit/Failure';
import { useSession } from '@/app/session';

/** The identity providers of this server by their names. */
export function useProviders(): [string, IdentityProviderInfo][] {
  const { site } = useSession();
  return Object.entries(site?.providerInfo ?? {});
}

/** A button per identity provider, in its own colour and words. */
export function ProviderButtons() {
  const providers = useProviders();
  const [going, setGoing] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const begin = async (provider: string) => {
    setGoing(provider);
    setError(null);
    try {
      const { redirectUrl } = await call('getLoginUrlForProvider', { params: { provider } });
      if (redirectUrl !== undefined) window.location.assign(redirectUrl);
    } catch (refused) {
      setError(refused);
      setGoing(null);
    }
  };
  return (
    <Stack gap="xs">
      <Failure error={error} />
      {providers.map(([name, info]) => (
        <ProviderButton key={name} info={info} loading={going === name} onClick={() => void begin(name)} />
      ))}
    </Stack>
  );
}

interface ProviderButtonProps {
  info: IdentityProviderInfo;
  loading: boolean;
  onClick: () => void;
}

export function ProviderButton({ info, loading, onClick }: ProviderButtonProps) {
  return (
    <Button
      autoContrast
      color={/^#[0-9a-f]{3,8}$/i.test(info.buttonBackgroundColor) ? info.buttonBackgroundColor : 'gray'}
      leftSection={<ProviderIcon icon={info.buttonIcon} />}
      loading={loading}
      onClick={onClick}
    >
      {info.buttonText}
    </Button>
  );
}

/** Only pictures that come with the page: others would tell a stranger who signs in, and the policy forbids them. */
function ProviderIcon({ icon }: { icon: string }) {
  const own = icon.startsWith('data:image/') || new URL(icon || 'x:', document.baseURI).origin === window.location.origin;
  return own && icon !== '' ? <img src={icon} alt="" width={18} height={18} /> : <IconLogin2 size={18} />;
}
