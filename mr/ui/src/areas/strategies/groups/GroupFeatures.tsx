import { ActionIcon, Card, Group, Select, Table, Text, Title, Tooltip } from '@mantine/core';
import { IconLock, IconToggleLeft, IconX } from '@tabler/icons-react';
import { useApi } from '@/api/hooks';
import type { Application, FeatureGroup } from '@/api/schema';
import { EmptyState, Failure, TypeIcon } from '@/kit';
import { useTexts } from '@/texts';
import { ValueInput } from '../../features/editor/ValueInput';
import { type GroupDraft, type GroupedFeature, joined } from './draft';

interface GroupFeaturesProps {
  application: Application;
  group: FeatureGroup;
  draft: GroupDraft;
  onChange: (draft: GroupDraft) => void;
  readOnly: boolean;
}

/** The features of a group with the value that it serves for each. */
export function GroupFeatures({ application, group, draft, onChange, readOnly }: GroupFeaturesProps) {
  const t = useTexts();
  const words = t.strategies.groups;
  const set = (features: readonly GroupedFeature[]) => onChange({ ...draft, features });
  return (
    <Card withBorder component="section" aria-label={words.values}>
      <Title order={2} size="h4" mb="xs">
        {words.values}
      </Title>
      {draft.features.length === 0 ? (
        <EmptyState icon={IconToggleLeft} title={words.noFeaturesTitle} text={words.noFeaturesText} />
      ) : (
        <Table.ScrollContainer minWidth={520}>
          <Table verticalSpacing="xs" aria-label={words.values}>
            <Table.Tbody>
              {draft.features.map((feature) => (
                <FeatureRow
                  key={feature.id}
                  feature={feature}
                  readOnly={readOnly}
                  onChange={(next) => set(draft.features.map((each) => (each.id === next.id ? next : each)))}
                  onRemove={() => set(draft.features.filter((each) => each.id !== feature.id))}
                />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {!readOnly && (
        <AddFeature application={application} group={group} draft={draft} onAdd={(feature) => set([...draft.features, feature])} />
      )}
    </Card>
  );
}

interface FeatureRowProps {
  feature: GroupedFeature;
  readOnly: boolean;
  onChange: (feature: GroupedFeature) => void;
  onRemove: () => void;
}

function FeatureRow({ feature, readOnly, onChange, onRemove }: FeatureRowProps) {
  const t = useTexts().strategies.groups;
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={500} w="45%">
        <Group gap="xs" wrap="nowrap">
          <TypeIcon type={feature.type} />
          <div style={{ minWidth: 0 }}>
            <Text size="sm" fw={600} style={{ overflowWrap: 'anywhere' }}>
              {feature.name}
            </Text>
            <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
              {feature.key}
            </Text>
          </div>
          {feature.locked && (
            <Tooltip label={t.locked} multiline maw={260}>
              <IconLock size={16} role="img" aria-label={t.locked} tabIndex={0} />
            </Tooltip>
          )}
        </Group>
      </Table.Th>
      <Table.Td>
        <ValueInput
          compact
          type={feature.type}
          value={feature.value}
          label={t.value(feature.key)}
          readOnly={readOnly}
          onChange={(value) => onChange({ ...feature, value })}
        />
      </Table.Td>
      <Table.Td w={44}>
        {!readOnly && (
          <ActionIcon variant="subtle" color="gray" aria-label={t.removeFeature(feature.key)} onClick={onRemove}>
            <IconX size={16} />
          </ActionIcon>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

interface AddFeatureProps {
  application: Application;
  group: FeatureGroup;
  draft: GroupDraft;
  onAdd: (feature: GroupedFeature) => void;
}

/** Features that are not in the group yet; one comes with its value in the environment. */
function AddFeature({ application, group, draft, onAdd }: AddFeatureProps) {
  const t = useTexts().strategies.groups;
  const candidates = useApi('getFeatureGroupFeatures', { appId: application.id, envId: group.environmentId });
  if (candidates.error) return <Failure error={candidates.error} onRetry={() => void candidates.refetch()} />;
  const members = new Set(draft.features.map((each) => each.id));
  const free = (candidates.data ?? []).filter((each) => !members.has(each.id));
  return (
    <Select
      mt="sm"
      maw={420}
      aria-label={t.addFeature}
      placeholder={candidates.data !== undefined && free.length === 0 ? t.addNothing : t.addFeature}
      data={free.map(({ id, key, name }) => ({ value: id, label: name === key ? key : `${name} (${key})` }))}
      // Always empty again: choosing one is an action.
      value={null}
      searchable
      limit={100}
      disabled={free.length === 0}
      onChange={(id) => {
        const chosen = free.find((each) => each.id === id);
        if (chosen) onAdd(joined(chosen));
      }}
    />
  );
}
