/** The features of an environment as one context sees them. */
import { Accordion, Badge, Button, Checkbox, Code, Group, Stack, Text } from '@mantine/core';
import { IconFlagOff } from '@tabler/icons-react';
import { useState } from 'react';
import type { EvaluatedFeature, EvaluationAnswer } from '@/api/schema';
import { useSearchParam } from '@/app/navigate';
import { EmptyState, Moment, NothingFound, SearchBox, TypeIcon } from '@/kit';
import { useTexts } from '@/texts';
import { RuleList } from './RuleList';
import { reasonWords, valueWords } from './words';

const AT_ONCE = 100;
/** What does not fit beside the name is shown below it. */
const LONG = 28;

export function Results({ answer, faded }: { answer: EvaluationAnswer; faded: boolean }) {
  const t = useTexts().insight.playground;
  const [text, setText] = useSearchParam('feature');
  const [decidedOnly, setDecidedOnly] = useSearchParam('decided');
  const [shown, setShown] = useState(AT_ONCE);
  const [opened, setOpened] = useState<string[]>(() => (text === '' ? [] : [text]));
  if (answer.features.length === 0) return <EmptyState icon={IconFlagOff} title={t.noFeaturesTitle} text={t.noFeaturesText} />;
  const byRule = answer.features.filter(isByRule);
  const found = (decidedOnly === 'yes' ? byRule : answer.features).filter((each) => matches(each, text));
  return (
    <Stack gap="sm" aria-busy={faded || undefined} style={{ opacity: faded ? 0.6 : 1 }}>
      <Group justify="space-between">
        <Group gap="md">
          <SearchBox value={text} onChange={setText} wait={0} aria-label={t.find} placeholder={t.find} />
          <Checkbox
            label={t.decidedOnly}
            checked={decidedOnly === 'yes'}
            onChange={(event) => setDecidedOnly(event.currentTarget.checked ? 'yes' : '')}
          />
        </Group>
        <Text size="sm" c="dimmed" aria-live="polite">
          {t.counts(found.length, answer.features.length, byRule.length)}
        </Text>
      </Group>
      {found.length === 0 && <NothingFound text={text} onClear={() => setText('')} />}
      <Accordion multiple variant="separated" value={opened} onChange={setOpened} order={2}>
        {found.slice(0, shown).map((feature) => (
          <FeatureItem key={feature.key} feature={feature} opened={opened.includes(feature.key)} />
        ))}
      </Accordion>
      {found.length > shown && (
        <Button variant="default" onClick={() => setShown(shown + AT_ONCE)}>
          {t.more(found.length - shown)}
        </Button>
      )}
    </Stack>
  );
}

function isByRule(feature: EvaluatedFeature): boolean {
  return feature.reason === 'TARGETING_MATCH' || feature.reason === 'SPLIT';
}

function matches(feature: EvaluatedFeature, text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return feature.key.toLowerCase().includes(wanted) || feature.name.toLowerCase().includes(wanted);
}

function FeatureItem({ feature, opened }: { feature: EvaluatedFeature; opened: boolean }) {
  const t = useTexts().insight.playground;
  return (
    <Accordion.Item value={feature.key}>
      <Accordion.Control>
        <Group wrap="nowrap" gap="sm" justify="space-between">
          <Group wrap="nowrap" gap="sm" style={{ minWidth: 0 }}>
            <TypeIcon type={feature.type} />
            <div style={{ minWidth: 0 }}>
              <Text fw={500} truncate>
                {feature.name}
              </Text>
              <Text size="xs" c="dimmed" ff="monospace" truncate>
                {feature.key}
              </Text>
            </div>
          </Group>
          <div style={{ textAlign: 'right', minWidth: 0 }}>
            <Badge
              variant={isByRule(feature) ? 'filled' : 'default'}
              radius="sm"
              tt="none"
              maw={260}
              data-testid="evaluated-value"
            >
              {valueWords(feature.value, t)}
            </Badge>
            <Text size="xs" c="dimmed" truncate>
              {reasonWords(feature, t)}
            </Text>
          </div>
        </Group>
      </Accordion.Control>
      <Accordion.Panel>{opened && <Details feature={feature} />}</Accordion.Panel>
    </Accordion.Item>
  );
}

function Details({ feature }: { feature: EvaluatedFeature }) {
  const t = useTexts().insight.playground;
  return (
    <Stack gap="sm">
      {feature.changesAt !== undefined && (
        <Text size="sm">
          {t.changesAt} <Moment time={feature.changesAt} />
        </Text>
      )}
      {valueWords(feature.value, t).length > LONG && (
        <Code block style={{ overflowWrap: 'anywhere', whiteSpace: 'pre-wrap' }}>
          {valueWords(feature.value, t)}
        </Code>
      )}
      <RuleList rules={feature.rules} />
      <Text size="sm" fw={feature.reason === 'DEFAULT' ? 600 : 400} c={feature.reason === 'DEFAULT' ? undefined : 'dimmed'}>
        {feature.retired ? t.retiredText : t.otherwise(valueWords(feature.defaultValue, t))}
      </Text>
    </Stack>
  );
}
