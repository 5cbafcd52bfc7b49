/** The last versions of one value: who, when, what changed; any of them can be taken back into the editor. */
import { Anchor, Badge, Button, Group, Stack, Text, Timeline } from '@mantine/core';
import { useState } from 'react';
import { useApi } from '@/api/hooks';
import { Ago, Diff, Failure, Loading } from '@/kit';
import { useTexts } from '@/texts';
import { type Draft } from '../model/draft';
import { draftOfHistory, documentOf } from '../model/history';
import { HISTORY } from '../model/saving';
import { sentences } from '../model/sentences';
import type { FeatureType, HistoryItem } from '../model/wire';

const MOST = 20;

interface HistoryPanelProps {
  applicationId: string;
  featureId: string;
  environmentId: string;
  type: FeatureType;
  editable: boolean;
  onRestore: (draft: Draft, leftOut: readonly string[]) => void;
}

export function HistoryPanel(props: HistoryPanelProps) {
  const { applicationId, featureId, environmentId, type } = props;
  const t = useTexts().features.history;
  const history = useApi(HISTORY, {
    appId: applicationId,
    featureIds: [featureId],
    environmentIds: [environmentId],
    max: MOST + 1,
    order: 'desc',
  });
  // What short codes in the history stand for today.
  const strategies = useApi(
    'listApplicationStrategies',
    { appId: applicationId, max: 1000, sortOrder: 'ASC' },
    { staleTime: 60_000 },
  );
  if (history.error !== null) return <Failure error={history.error} onRetry={() => void history.refetch()} />;
  if (history.data === undefined || strategies.isPending) return <Loading rows={3} />;
  const versions = history.data.items[0]?.history ?? [];
  if (versions.length === 0)
    return (
      <Text size="sm" c="dimmed">
        {t.none}
      </Text>
    );
  const codes = new Map((strategies.data?.items ?? []).map((each) => [each.uniqueCode ?? '', each.strategy.id]));
  return (
    <Stack gap="sm">
      <Text size="xs" c="dimmed">
        {t.last(Math.min(MOST, versions.length))}
      </Text>
      <Timeline bulletSize={14} lineWidth={2}>
        {versions.slice(0, MOST).map((version, index) => (
          <Timeline.Item key={version.version} title={<VersionTitle version={version} />}>
            <Version
              {...props}
              type={type}
              version={version}
              before={versions[index + 1]}
              codes={codes}
              latest={index === 0}
            />
          </Timeline.Item>
        ))}
      </Timeline>
    </Stack>
  );
}

function VersionTitle({ version }: { version: HistoryItem }) {
  const t = useTexts().features.history;
  const { who } = version;
  return (
    <Group gap={6}>
      <Text size="sm" fw={600}>
        {t.version(version.version)}
      </Text>
      {who === undefined ? null : <Text size="sm">{t.by(who.name)}</Text>}
      {who === undefined || who.type === 'person' ? null : (
        <Badge size="xs" variant="light" color="gray">
          {t.kinds[who.type] ?? who.type}
        </Badge>
      )}
      <Text size="xs" c="dimmed">
        <Ago time={version.when} />
      </Text>
    </Group>
  );
}

interface VersionProps extends HistoryPanelProps {
  version: HistoryItem;
  before: HistoryItem | undefined;
  codes: ReadonlyMap<string, string>;
  latest: boolean;
}

function Version({ type, version, before, codes, latest, editable, onRestore }: VersionProps) {
  const texts = useTexts();
  const t = texts.features.history;
  const [compared, setCompared] = useState(false);
  const here = draftOfHistory(type, version, codes);
  const earlier = before === undefined ? null : draftOfHistory(type, before, codes);
  const lines = earlier === null ? [] : sentences(texts, type, earlier.draft, here.draft);
  return (
    <Stack gap={4}>
      {earlier === null ? <Text size="sm">{texts.features.changes.first}</Text> : null}
      {earlier !== null && lines.length === 0 ? (
        <Text size="sm" c="dimmed">
          {texts.features.changes.nothing}
        </Text>
      ) : null}
      {lines.map((line) => (
        <Text key={line.id} size="sm" style={{ overflowWrap: 'anywhere' }}>
          {line.text}
        </Text>
      ))}
      <Group gap="md">
        {earlier === null ? null : (
          <Anchor
            component="button"
            type="button"
            size="xs"
            aria-expanded={compared}
            onClick={() => setCompared(!compared)}
          >
            {compared ? t.hide : t.compare}
          </Anchor>
        )}
        {editable && !latest ? (
          <Button
            size="compact-xs"
            variant="light"
            onClick={() => onRestore(here.draft, here.leftOut)}
            aria-label={`${t.restore}: ${t.version(version.version)}`}
          >
            {t.restore}
          </Button>
        ) : null}
      </Group>
      {compared && before !== undefined ? (
        <Diff before={documentOf(texts, type, before)} after={documentOf(texts, type, version)} label={t.compare} />
      ) : null}
    </Stack>
  );
}
