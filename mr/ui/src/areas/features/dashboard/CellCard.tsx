/** What a cell is too small to say: the whole value, every strategy by its kind, who changed it and when. */
import { Code, Group, Paper, Stack, Text } from '@mantine/core';
import { Ago } from '@/kit';
import { useTexts } from '@/texts';
import { type ConditionDraft, fromWire as strategyOf } from '../strategies/draft';
import { strategyWords } from '../strategies/words';
import { fromWire } from '../model/served';
import type { FeatureType, FeatureValue } from '../model/wire';
import { useValueWords } from '../model/words';
import styles from './Grid.module.css';
import { cellOf, type GridEnvironment, type GridFeature } from './table';

interface CellCardProps {
  feature: GridFeature;
  environment: GridEnvironment;
  at: DOMRect;
}

export function CellCard({ feature, environment, at }: CellCardProps) {
  const t = useTexts().features;
  const words = useValueWords();
  const cell = cellOf(feature, environment);
  const value = environment.values.get(feature.key);
  // Below the cell, or above where there is no room.
  const below = at.bottom + 220 < window.innerHeight;
  const style = {
    left: Math.max(8, Math.min(at.left, window.innerWidth - 372)),
    ...(below ? { top: at.bottom + 4 } : { bottom: window.innerHeight - at.top + 4 }),
  };
  return (
    <Paper withBorder shadow="md" p="sm" className={styles.card} style={style} role="tooltip">
      {cell.state === 'hidden' ? (
        <Text size="sm">{t.values.noAccess}</Text>
      ) : (
        <Stack gap={6}>
          <Code
            block={feature.type === 'JSON'}
            style={{ overflowWrap: 'anywhere', maxHeight: 140, overflow: 'hidden' }}
          >
            {words(feature.type, cell.served)}
          </Code>
          <Group gap="xs">
            {value === undefined ? (
              <Text size="xs" c="dimmed">
                {t.grid.noRow}
              </Text>
            ) : null}
            {cell.locked ? <Text size="xs">{t.grid.locked}</Text> : null}
            {cell.retired ? <Text size="xs">{t.grid.retired}</Text> : null}
          </Group>
          {value === undefined ? null : <Strategies type={feature.type} value={value} />}
          {value?.whenUpdated === undefined ? null : (
            <Text size="xs" c="dimmed">
              {value.whoUpdated?.name === undefined ? t.grid.changedPlain : t.grid.changed(value.whoUpdated.name)}{' '}
              <Ago time={value.whenUpdated} />
            </Text>
          )}
        </Stack>
      )}
    </Paper>
  );
}

const MOST = 8;

function Strategies({ type, value }: { type: FeatureType; value: FeatureValue }) {
  const t = useTexts().features;
  const words = useValueWords();
  const lines = [
    ...value.rolloutStrategies.map((each) => {
      const draft = strategyOf(each);
      return { kind: t.grid.custom, name: draft.name, detail: described(draft), served: each.value };
    }),
    ...value.rolloutStrategyInstances.map((each) => ({
      kind: t.grid.application,
      name: each.name ?? '',
      detail: '',
      served: each.value,
    })),
    ...value.featureGroupStrategies.map((each) => ({
      kind: t.grid.group,
      name: each.name ?? '',
      detail: '',
      served: each.value,
    })),
  ];
  function described(draft: { percentage: number | null; conditions: ConditionDraft[] }) {
    return strategyWords(t.strategy, draft);
  }
  return (
    <>
      {lines.slice(0, MOST).map((line, index) => (
        <Text key={index} size="xs" lineClamp={3}>
          <Text span inherit c="dimmed">
            {line.kind}
          </Text>{' '}
          <Text span inherit fw={600}>
            {line.name}
          </Text>{' '}
          {t.grid.serves(words(type, fromWire(type, line.served)))}
          {line.detail === '' ? null : (
            <Text span inherit c="dimmed">
              {' '}
              – {line.detail}
            </Text>
          )}
        </Text>
      ))}
      {lines.length > MOST ? (
        <Text size="xs" c="dimmed">
          +{lines.length - MOST}
        </Text>
      ) : null}
    </>
  );
}
