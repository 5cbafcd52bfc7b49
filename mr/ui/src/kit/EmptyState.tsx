import { Button, Center, Stack, Text, ThemeIcon, Title } from '@mantine/core';
import { IconSearchOff, type TablerIcon } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useTexts } from '@/texts';

interface EmptyStateProps {
  icon: TablerIcon;
  title: string;
  text: string;
  /** What to do about it, usually a button. */
  action?: ReactNode;
  /** The whole page is this: its title is the page's. */
  alone?: boolean;
}

/** What a list says when there is nothing in it: why, and what to do. */
export function EmptyState({ icon: Icon, title, text, action, alone }: EmptyStateProps) {
  return (
    <Center py="xl" px="md">
      <Stack align="center" gap="sm" maw={440}>
        <ThemeIcon size={56} radius="xl" variant="light" color="gray">
          <Icon size={28} stroke={1.5} />
        </ThemeIcon>
        <Title order={alone ? 1 : 2} size="h4" ta="center">
          {title}
        </Title>
        <Text c="dimmed" ta="center">
          {text}
        </Text>
        {action}
      </Stack>
    </Center>
  );
}

/** An empty list because of a search. */
export function NothingFound({ text, onClear }: { text: string; onClear?: () => void }) {
  const t = useTexts();
  return (
    <EmptyState
      icon={IconSearchOff}
      title={t.common.emptySearch(text)}
      text={t.common.emptySearchHint}
      action={
        onClear && (
          <Button variant="default" onClick={onClear}>
            {t.common.clear}
          </Button>
        )
      }
    />
  );
}
