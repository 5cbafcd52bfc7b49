/** Every rule of a feature in the order in which they are tried, with what became of it and of its parts. */
import { Badge, Group, List, Paper, Stack, Text } from '@mantine/core';
import {
  IconAlertTriangle,
  IconCircleCheck,
  IconCircleDashed,
  IconCircleX,
  IconPlayerPause,
  type TablerIcon,
} from '@tabler/icons-react';
import type { EvaluatedCondition, EvaluatedRule, EvaluatedShare } from '@/api/schema';
import type { Conditional } from '@/areas/features/model/wire';
import { fieldWords } from '@/areas/features/strategies/words';
import { useTexts } from '@/texts';
import { givenWords, outcomeWords, percent, ruleName, valueWords } from './words';

interface Look {
  icon: TablerIcon;
  color: string;
}

const NO: Look = { icon: IconCircleX, color: 'var(--mantine-color-red-7)' };
const LOOKS: Readonly<Record<EvaluatedRule['outcome'], Look>> = {
  MATCHED: { icon: IconCircleCheck, color: 'var(--mantine-color-teal-7)' },
  NO_PERCENTAGE_KEY: NO,
  OVER_PERCENTAGE: NO,
  ATTRIBUTE_MISMATCH: NO,
  NOTHING_TO_MATCH: NO,
  ERROR: { icon: IconAlertTriangle, color: 'var(--mantine-color-orange-7)' },
  NOT_REACHED: { icon: IconCircleDashed, color: 'var(--mantine-color-dimmed)' },
  DISABLED: { icon: IconPlayerPause, color: 'var(--mantine-color-dimmed)' },
};

export function RuleList({ rules }: { rules: readonly EvaluatedRule[] }) {
  const t = useTexts().insight.playground;
  if (rules.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t.reasons.noRules}
      </Text>
    );
  }
  return (
    <List listStyleType="none" spacing="xs" aria-label={t.rules}>
      {rules.map((rule, index) => (
        <List.Item key={`${rule.id}-${index}`} styles={{ itemWrapper: { display: 'block' }, itemLabel: { display: 'block' } }}>
          <Rule rule={rule} />
        </List.Item>
      ))}
    </List>
  );
}

function Rule({ rule }: { rule: EvaluatedRule }) {
  const t = useTexts().insight.playground;
  const { icon: Icon, color } = LOOKS[rule.outcome];
  const decided = rule.outcome === 'MATCHED';
  const quiet = rule.outcome === 'NOT_REACHED' || rule.outcome === 'DISABLED';
  return (
    <Paper withBorder p="sm" style={decided ? { borderColor: color } : undefined} data-outcome={rule.outcome}>
      <Group gap="xs" wrap="nowrap" align="flex-start">
        <Icon size={20} color={color} aria-hidden style={{ flexShrink: 0 }} />
        <Stack gap={6} style={{ flex: 1, minWidth: 0 }}>
          <Group gap="xs">
            <Text fw={600} size="sm">
              {ruleName(rule, t)}
            </Text>
            <Badge size="sm" variant="default" radius="sm" tt="none" fw={400}>
              {rule.kind === 'group' && rule.ownerName !== undefined ? t.groupNamed(rule.ownerName) : t.kinds[rule.kind]}
            </Badge>
            {!quiet && (
              <Text size="sm" c="dimmed">
                {t.serves(valueWords(rule.value, t))}
              </Text>
            )}
          </Group>
          <Text size="sm" c={quiet ? 'dimmed' : undefined}>
            {outcomeWords(rule, t)}
          </Text>
          {rule.share !== undefined && <Share share={rule.share} quiet={quiet} />}
          {rule.conditions.length > 0 && <Conditions conditions={rule.conditions} />}
        </Stack>
      </Group>
    </Paper>
  );
}

/** Where the caller's number falls, as words and as a picture of the same. */
function Share({ share, quiet }: { share: EvaluatedShare; quiet: boolean }) {
  const t = useTexts().insight.playground;
  const words =
    share.number === undefined || share.text === undefined
      ? t.share(percent(share.percentage))
      : t.shareOf(share.text, percent(share.number), percent(share.floor), percent(share.end));
  return (
    <div>
      <Text size="sm">
        {words} {share.attributes.length > 0 && t.shareBy(share.attributes.join(', '))}
      </Text>
      {!quiet && (
        <svg viewBox="0 0 1000 14" width="100%" height="14" preserveAspectRatio="none" aria-hidden>
          <rect x="0" y="4" width="1000" height="6" rx="3" fill="var(--mantine-color-default-border)" />
          <rect
            x={share.floor / 1000}
            y="4"
            width={Math.max(2, Math.min(1_000_000, share.end) / 1000 - share.floor / 1000)}
            height="6"
            fill="var(--mantine-primary-color-filled)"
          />
          {share.number !== undefined && (
            <rect x={Math.min(996, share.number / 1000)} y="0" width="4" height="14" fill="var(--mantine-color-text)" />
          )}
        </svg>
      )}
    </div>
  );
}

function Conditions({ conditions }: { conditions: readonly EvaluatedCondition[] }) {
  const t = useTexts();
  const words = t.insight.playground;
  const { conditionals } = t.features.strategy;
  return (
    <Stack gap={4} component="ul" m={0} p={0} aria-label={words.conditions} style={{ listStyle: 'none' }}>
      {conditions.map((each, index) => (
        <Group key={index} component="li" gap="xs" wrap="nowrap" align="flex-start" fz="sm" style={{ overflowWrap: 'anywhere' }}>
          <Holds condition={each} />
          <div style={{ minWidth: 0 }}>
            {fieldWords(t.features.strategy, each.fieldName)}{' '}
            {conditionals[each.conditional as Conditional] ?? each.conditional}{' '}
            {each.values.map(String).join(t.features.strategy.or)}{' '}
            <Text span size="sm" c="dimmed">
              {words.givenIs(givenWords(each, words))}
            </Text>
            {each.fault !== undefined && (
              <Text size="xs" c="orange.8">
                {each.fault}
              </Text>
            )}
          </div>
        </Group>
      ))}
    </Stack>
  );
}

const FIXED = { flexShrink: 0, marginTop: 3 };

function Holds({ condition }: { condition: EvaluatedCondition }) {
  const t = useTexts().insight.playground;
  if (condition.holds === undefined) {
    return <IconAlertTriangle size={16} style={FIXED} role="img" aria-label={t.unknown} color="var(--mantine-color-orange-7)" />;
  }
  return condition.holds ? (
    <IconCircleCheck size={16} style={FIXED} role="img" aria-label={t.yes} color="var(--mantine-color-teal-7)" />
  ) : (
    <IconCircleX size={16} style={FIXED} role="img" aria-label={t.no} color="var(--mantine-color-red-7)" />
  );
}
