import { Anchor, Modal, Stack, Text } from '@mantine/core';
import { useWindowEvent } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';
import { SignInForm } from '@/areas/auth/SignInForm';
import { address } from '@/api/client';
import { currentSession, tryAgain } from '@/api/session';
import { useTexts } from '@/texts';
import { useGo } from './navigate';
import { useSession } from './session';

/** Sign in again above the screen that one was at: it stays mounted, with everything that was typed. */
export function LostSession() {
  const t = useTexts();
  const { site, person } = useSession();
  const queries = useQueryClient();
  const go = useGo();
  const goOn = () => {
    // Somebody else may sit here now: what was opened and typed was not theirs.
    if (currentSession().person?.id?.id !== person?.id?.id) void go('/', { replace: true });
    else void queries.invalidateQueries();
  };
  useWindowEvent('focus', () => {
    // Unreachable now is no answer; the next focus asks again.
    tryAgain().then((back) => back && goOn(), () => undefined);
  });
  return (
    <Modal opened onClose={() => undefined} withCloseButton={false} title={t.frame.lostTitle} closeOnEscape={false}>
      <Stack gap="sm">
        <Text size="sm">{t.frame.lostText}</Text>
        {site?.providers.includes('local') && <SignInForm onSignedIn={goOn} />}
        <Text size="sm">
          <Anchor href={address('/login')} target="_blank" rel="noreferrer">
            {t.frame.lostElsewhere}
          </Anchor>{' '}
          {t.frame.lostElsewhereHint}
        </Text>
      </Stack>
    </Modal>
  );
}
