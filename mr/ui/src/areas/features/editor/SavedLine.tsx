/** What was saved last and how far it has come: in the footer, where it covers nothing. */
import { Group, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { Propagation } from '@/kit/Propagation';
import type { Saved } from './useSaving';

export function SavedLine({ saved, children }: { saved: Saved; children?: ReactNode }) {
  return (
    <Group gap="sm">
      <Text size="sm" fw={500} role="status">
        {saved.text}
      </Text>
      {children}
      <Propagation environmentId={saved.environmentId} savedAt={saved.at} />
    </Group>
  );
}
