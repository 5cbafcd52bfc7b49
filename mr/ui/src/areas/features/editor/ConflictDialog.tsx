/** Two people changed the same: base, theirs and mine side by side, and a choice for every part in question. */
import { Alert, Badge, Button, Group, Modal, SegmentedControl, Stack, Table, Text } from '@mantine/core';
import { IconGitMerge } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { Failure } from '@/kit';
import { type Texts, useTexts } from '@/texts';
import type { CustomDraft, Draft, UseDraft } from '../model/draft';
import { compare, conflicts, type Part, resolve, type Side } from '../model/merge';
import type { FeatureType, Served } from '../model/wire';
import { valueWords } from '../model/words';
import { strategyWords } from '../strategies/words';

interface ConflictDialogProps {
  type: FeatureType;
  environment: string;
  /** Who saved the other version, when known. */
  who: string | undefined;
  base: Draft;
  mine: Draft;
  theirs: Draft;
  /** Takes the result; what it throws is shown, and the dialog stays. */
  onResolve: (result: Draft) => Promise<void>;
  onClose: () => void;
}

export function ConflictDialog({
  type,
  environment,
  who,
  base,
  mine,
  theirs,
  onResolve,
  onClose,
}: ConflictDialogProps) {
  const texts = useTexts();
  const t = texts.features.conflict;
  const parts = useMemo(() => compare(type, base, mine, theirs), [type, base, mine, theirs]);
  const open = conflicts(parts);
  const shown = parts.filter((each) => each.state !== 'same');
  const [chosen, setChosen] = useState<ReadonlyMap<string, Side>>(new Map());
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const choose = (ids: readonly string[], side: Side) =>
    setChosen(new Map([...chosen, ...ids.map((id) => [id, side] as const)]));
  const all = open.map((each) => each.id);
  const save = async () => {
    setBusy(true);
    setError(null);
    try {
      await onResolve(resolve(parts, mine, theirs, chosen));
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
      title={t.title}
      size="70rem"
      closeOnClickOutside={false}
      closeButtonProps={{ 'aria-label': texts.common.close }}
    >
      <Stack gap="md">
        <Failure error={error} />
        <Alert icon={<IconGitMerge />} color="orange" p="xs">
          {t.text(who ?? t.somebody, environment)}
        </Alert>
        <Table.ScrollContainer minWidth={640}>
          <Table verticalSpacing="xs" aria-label={t.title} layout="fixed">
            <Table.Thead>
              <Table.Tr>
                <Table.Th w="16%">{t.part}</Table.Th>
                <Table.Th>{t.base}</Table.Th>
                <Table.Th>{t.theirs}</Table.Th>
                <Table.Th>{t.mine}</Table.Th>
                <Table.Th w={230}>
                  <span className="visually-hidden">{texts.common.actions}</span>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {shown.map((part) => (
                <PartRow
                  key={part.id}
                  type={type}
                  part={part}
                  lists={{ mine, theirs, base }}
                  side={chosen.get(part.id) ?? 'mine'}
                  onChoose={(side) => choose([part.id], side)}
                />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
        <Group justify="space-between">
          <Group gap="xs">
            {open.length > 1 ? (
              <>
                <Button size="xs" variant="default" onClick={() => choose(all, 'mine')}>
                  {t.allMine}
                </Button>
                <Button size="xs" variant="default" onClick={() => choose(all, 'theirs')}>
                  {t.allTheirs}
                </Button>
              </>
            ) : null}
          </Group>
          <Group>
            <Button variant="default" onClick={onClose}>
              {t.back}
            </Button>
            <Button loading={busy} onClick={() => void save()} data-autofocus>
              {t.save}
            </Button>
          </Group>
        </Group>
      </Stack>
    </Modal>
  );
}

interface PartRowProps {
  type: FeatureType;
  part: Part;
  lists: { base: Draft; mine: Draft; theirs: Draft };
  side: Side;
  onChoose: (side: Side) => void;
}

function PartRow({ type, part, lists, side, onChoose }: PartRowProps) {
  const texts = useTexts();
  const t = texts.features.conflict;
  const name = partName(texts, part);
  const taken: Side = part.state === 'conflict' ? side : part.state === 'mine' ? 'mine' : 'theirs';
  const words = (value: unknown, of: Draft) => partWords(texts, type, part, value, of);
  return (
    <Table.Tr style={{ verticalAlign: 'top' }}>
      <Table.Td>
        <Text size="sm" fw={600} style={{ overflowWrap: 'anywhere' }}>
          {name}
        </Text>
      </Table.Td>
      <Table.Td>
        <Shown text={words(part.base, lists.base)} />
      </Table.Td>
      <Table.Td>
        <Shown text={words(part.theirs, lists.theirs)} taken={taken === 'theirs'} />
      </Table.Td>
      <Table.Td>
        <Shown text={words(part.mine, lists.mine)} taken={taken === 'mine'} />
      </Table.Td>
      <Table.Td>
        {part.state === 'conflict' ? (
          <SegmentedControl
            aria-label={name}
            size="xs"
            data={[
              { value: 'theirs', label: t.takeTheirs },
              { value: 'mine', label: t.takeMine },
            ]}
            value={side}
            onChange={(next) => onChoose(next as Side)}
          />
        ) : (
          <Badge
            variant="light"
            color="gray"
            size="sm"
            tt="none"
            fw={400}
            h="auto"
            styles={{ label: { whiteSpace: 'normal' } }}
          >
            {t.merged}
          </Badge>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

function Shown({ text, taken }: { text: string; taken?: boolean }) {
  return (
    <Text
      size="sm"
      fw={taken ? 600 : 400}
      c={taken === false ? 'dimmed' : undefined}
      td={taken === false ? 'line-through' : undefined}
      style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}
    >
      {text}
    </Text>
  );
}

function partName(texts: Texts, part: Part): string {
  const t = texts.features.conflict.parts;
  if (part.kind === 'custom' || part.kind === 'use') {
    const any = (part.mine ?? part.theirs ?? part.base) as CustomDraft | UseDraft | undefined;
    return t[part.kind](any?.name ?? '');
  }
  return t[part.kind];
}

function partWords(texts: Texts, type: FeatureType, part: Part, value: unknown, of: Draft): string {
  const t = texts.features;
  switch (part.kind) {
    case 'value':
      return valueWords(texts, type, value as Served);
    case 'locked':
      return value === true ? t.grid.locked : t.grid.unlocked;
    case 'retired':
      return value === true ? t.grid.retired : t.conflict.notRetired;
    case 'custom': {
      const strategy = value as CustomDraft | undefined;
      if (strategy === undefined) return t.conflict.none;
      return `${strategy.name}: ${strategyWords(t.strategy, strategy)}\n${t.grid.serves(valueWords(texts, type, strategy.value))}`;
    }
    case 'use': {
      const use = value as UseDraft | undefined;
      return use === undefined ? t.conflict.none : t.grid.serves(valueWords(texts, type, use.value));
    }
    case 'customOrder':
      return of.custom.map((each) => each.name).join(' → ');
    case 'useOrder':
      return of.uses.map((each) => each.name).join(' → ');
  }
}
