import { Alert, Button, Group } from '@mantine/core';
import { IconRefresh } from '@tabler/icons-react';
import { useState } from 'react';
import { useApi } from '@/api/hooks';
import { useTexts } from '@/texts';

const ASKED_EVERY_MS = 300_000;

/** Tells that the server is of another version than when this page was loaded. Reloading is the user's to choose. */
export function NewerVersion() {
  const t = useTexts();
  const version = useApi('getInfoVersion', {}, { refetchInterval: ASKED_EVERY_MS });
  const [first, setFirst] = useState<string | null>(null);
  const now = version.data?.version;
  if (first === null && now !== undefined) setFirst(now);
  if (first === null || now === undefined || now === first) return null;
  return (
    <Alert color="blue" mb="md" icon={<IconRefresh />} role="status">
      <Group justify="space-between">
        {t.frame.newerVersion}
        <Button size="xs" onClick={() => window.location.reload()}>
          {t.frame.reload}
        </Button>
      </Group>
    </Alert>
  );
}
