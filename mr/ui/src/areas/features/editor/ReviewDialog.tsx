/** "What will this do?": every change in words, before it is saved where customers are. */
import { Alert, Button, Group, List, Modal, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useState } from 'react';
import { Diff, Failure } from '@/kit';
import { ProductionMark } from '@/kit/ProductionMark';
import { useTexts } from '@/texts';
import type { Draft } from '../model/draft';
import { sentences } from '../model/sentences';
import type { FeatureType } from '../model/wire';

export interface ReviewItem {
  feature: string;
  type: FeatureType;
  environment: string;
  production: boolean;
  before: Draft;
  after: Draft;
  /** Service accounts that read there, when known. */
  readers?: number;
}

/** Dark enough for white text on it. */
const PRODUCTION = '#b84300';

interface ReviewDialogProps {
  items: readonly ReviewItem[];
  title?: string;
  lead?: string | undefined;
  confirmLabel?: string | undefined;
  /** Resolves when it is saved; what it throws is shown, and the dialog stays. */
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

export function ReviewDialog({ items, title, lead, confirmLabel, onConfirm, onClose }: ReviewDialogProps) {
  const t = useTexts();
  const words = t.features.review;
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const production = items.some((each) => each.production);
  const confirm = async () => {
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      onClose();
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={title ?? words.title}
      size="lg"
      closeButtonProps={{ 'aria-label': t.common.close }}
    >
      <Stack gap="md">
        <Failure error={error} />
        {lead === undefined ? null : <Text size="sm">{lead}</Text>}
        {items.map((item) => (
          <Item key={`${item.feature}\n${item.environment}`} item={item} />
        ))}
        {production ? (
          <Alert color="orange" icon={<IconAlertTriangle />} p="xs">
            {words.production}
          </Alert>
        ) : null}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t.common.cancel}
          </Button>
          <Button
            data-autofocus
            loading={busy}
            color={production ? PRODUCTION : undefined}
            onClick={() => void confirm()}
          >
            {confirmLabel ?? (production ? words.confirm : t.common.save)}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Item({ item }: { item: ReviewItem }) {
  const t = useTexts();
  const words = t.features.review;
  const lines = sentences(t, item.type, item.before, item.after);
  return (
    <Stack gap={6} component="section" aria-label={words.in(item.feature, item.environment)}>
      <Group gap="xs">
        <Text fw={600}>{words.in(item.feature, item.environment)}</Text>
        <ProductionMark environment={{ production: item.production }} />
      </Group>
      {lines.length === 0 ? (
        <Text size="sm" c="dimmed">
          {words.nothing}
        </Text>
      ) : null}
      <List size="sm" spacing={4}>
        {lines.map((line) => (
          <List.Item key={line.id}>
            <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
              {line.text}
            </Text>
            {line.diff === undefined ? null : <Diff {...line.diff} label={line.text} />}
          </List.Item>
        ))}
      </List>
      {item.before.retired && item.after.retired ? (
        <Text size="xs" c="dimmed">
          {words.retiredNote}
        </Text>
      ) : null}
      {item.readers === undefined ? null : (
        <Text size="xs" c="dimmed">
          {words.readers(item.readers)}
        </Text>
      )}
    </Stack>
  );
}
