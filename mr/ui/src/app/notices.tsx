/** Pages that say that there is nothing to show, and what to do then. */
import { Button, Center, Code, Loader, Stack, Text } from '@mantine/core';
import { IconCloudOff, IconLock, IconMapOff, IconMoodSad } from '@tabler/icons-react';
import { useEffect } from 'react';
import { start } from '@/api/session';
import { EmptyState } from '@/kit/EmptyState';
import { useTexts } from '@/texts';
import { AppLink } from './navigate';

export function NotFound() {
  const t = useTexts();
  return (
    <EmptyState
      alone
      icon={IconMapOff}
      title={t.frame.notFoundTitle}
      text={t.frame.notFoundText}
      action={
        <Button component={AppLink} to="/">
          {t.frame.home}
        </Button>
      }
    />
  );
}

export function Forbidden() {
  const t = useTexts();
  return (
    <EmptyState
      alone
      icon={IconLock}
      title={t.frame.forbiddenTitle}
      text={t.frame.forbiddenText}
      action={
        <Button component={AppLink} to="/" variant="default">
          {t.frame.home}
        </Button>
      }
    />
  );
}

export function Crashed({ error, retry }: { error: unknown; retry: () => void }) {
  const t = useTexts();
  return (
    <EmptyState
      alone
      icon={IconMoodSad}
      title={t.frame.crashedTitle}
      text={t.frame.crashedText}
      action={
        <Stack align="center">
          <Code>{error instanceof Error ? error.message : String(error)}</Code>
          <Button onClick={retry}>{t.common.retry}</Button>
        </Stack>
      }
    />
  );
}

const AGAIN_MS = 3000;

/** While the server does not answer: asks again by itself. */
export function ServerUnreachable() {
  const t = useTexts();
  useEffect(() => {
    const timer = setInterval(() => void start(), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <EmptyState
      alone
      icon={IconCloudOff}
      title={t.frame.unreachableTitle}
      text={t.frame.unreachableText}
      action={<Text role="status"><Loader size="sm" /></Text>}
    />
  );
}

export function Starting() {
  const t = useTexts();
  return (
    <Center h="100vh" role="status" aria-label={t.common.loading}>
      <Loader />
    </Center>
  );
}
