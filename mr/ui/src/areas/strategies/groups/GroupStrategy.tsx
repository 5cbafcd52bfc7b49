import { Button, Card, Group, Stack, Text, Title } from '@mantine/core';
import { IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { useTexts } from '@/texts';
import { newStrategy, StrategyDialog, strategyWords } from '../../features/strategies';
import type { GroupDraft } from './draft';

interface GroupStrategyProps {
  draft: GroupDraft;
  onChange: (draft: GroupDraft) => void;
  readOnly: boolean;
}

/** Whom the group reaches: one strategy. */
export function GroupStrategy({ draft, onChange, readOnly }: GroupStrategyProps) {
  const t = useTexts();
  const words = t.strategies.groups;
  const [editing, setEditing] = useState(false);
  const { strategy } = draft;
  return (
    <Card withBorder component="section" aria-label={words.strategy}>
      <Group justify="space-between" align="flex-start">
        <Stack gap={2}>
          <Title order={2} size="h4">
            {words.strategy}
          </Title>
          {strategy === null ? (
            <Text size="sm" c="dimmed">
              {words.noStrategyText}
            </Text>
          ) : (
            <>
              <Text fw={600}>{strategy.name}</Text>
              <Text size="sm">{strategyWords(t.features.strategy, strategy)}</Text>
            </>
          )}
        </Stack>
        {!readOnly && (
          <Group gap="xs">
            <Button
              variant={strategy === null ? 'filled' : 'default'}
              leftSection={strategy === null ? <IconPlus size={16} /> : <IconPencil size={16} />}
              onClick={() => setEditing(true)}
            >
              {strategy === null ? words.addStrategy : words.editStrategy}
            </Button>
            {strategy !== null && (
              <Button
                variant="subtle"
                color="red"
                leftSection={<IconTrash size={16} />}
                onClick={() => onChange({ ...draft, strategy: null })}
              >
                {words.removeStrategy}
              </Button>
            )}
          </Group>
        )}
      </Group>
      {editing && (
        <StrategyDialog
          title={strategy === null ? words.addStrategy : words.editStrategy}
          initial={strategy ?? newStrategy()}
          onSave={(next) => {
            onChange({ ...draft, strategy: next });
            setEditing(false);
          }}
          onClose={() => setEditing(false)}
        />
      )}
    </Card>
  );
}
