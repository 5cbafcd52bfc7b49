import { List, Text } from '@mantine/core';
import { Diff } from '@/kit';
import { useTexts } from '@/texts';
import { valueWords } from '../../features/model/words';
import { type StrategyDraft, strategyWords } from '../../features/strategies';
import { type FeatureChange, featureChanges, type GroupDraft, sameGroupStrategy } from './draft';

/** What saving a group would do, in words. */
export function Changes({ before, after }: { before: GroupDraft; after: GroupDraft }) {
  const t = useTexts();
  const words = t.strategies.groups;
  const described = (strategy: StrategyDraft | null) =>
    strategy === null ? words.noStrategyText : `${strategy.name}: ${strategyWords(t.features.strategy, strategy)}`;
  return (
    <>
      {!sameGroupStrategy(before, after) && (
        <Diff label={words.strategy} before={described(before.strategy)} after={described(after.strategy)} />
      )}
      <List size="sm" spacing={4}>
        {featureChanges(before, after).map((change) => (
          <List.Item key={change.feature.id}>
            <Change change={change} />
          </List.Item>
        ))}
      </List>
    </>
  );
}

function Change({ change }: { change: FeatureChange }) {
  const t = useTexts();
  const words = t.strategies.groups;
  const { feature, kind, before } = change;
  const value = valueWords(t, feature.type, feature.value);
  if (feature.type === 'JSON' && kind === 'changed') {
    return (
      <>
        <Text size="sm">{words.changedDocument(feature.key)}</Text>
        <Diff label={feature.key} before={String(before ?? '')} after={String(feature.value ?? '')} />
      </>
    );
  }
  if (kind === 'added') {
    return <Text size="sm">{feature.value === null ? words.addedEmpty(feature.key) : words.addedFeature(feature.key, value)}</Text>;
  }
  if (kind === 'removed') return <Text size="sm">{words.removedFeature(feature.key)}</Text>;
  return <Text size="sm">{words.changedFeature(feature.key, valueWords(t, feature.type, before), value)}</Text>;
}
