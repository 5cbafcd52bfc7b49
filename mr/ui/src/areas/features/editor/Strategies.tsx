/**
 * The strategies of one value in the order in which they are tried: its own, those of the application, those
 * of feature groups; and what everybody else gets.
 */
import { ActionIcon, Anchor, Badge, Box, Button, Group, Paper, Select, Stack, Text } from '@mantine/core';
import { IconPencil, IconPlus, IconTrash } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { useApi } from '@/api/hooks';
import { AppLink } from '@/app/navigate';
import { useTexts } from '@/texts';
import { type CustomDraft, type Draft, moved, type UseDraft } from '../model/draft';
import { fromWire } from '../model/served';
import type { FeatureType, GroupStrategy } from '../model/wire';
import { useValueWords } from '../model/words';
import { fromWire as strategyFromWire, newStrategy } from '../strategies/draft';
import { StrategyDialog } from '../strategies/StrategyDialog';
import type { ViolationTexts } from '../strategies/violations';
import { strategyWords } from '../strategies/words';
import type { DraftFaults } from './faults';
import { SortableList } from './SortableList';
import { ValueInput } from './ValueInput';

interface StrategiesProps {
  type: FeatureType;
  applicationId: string;
  environmentId: string;
  draft: Draft;
  onChange: (next: Draft) => void;
  groups: readonly GroupStrategy[];
  editable: boolean;
  faults: DraftFaults | null;
  violations: ViolationTexts | null;
}

export function Strategies(props: StrategiesProps) {
  const { type, draft, groups } = props;
  const t = useTexts().features;
  const words = useValueWords();
  const none = draft.custom.length + draft.uses.length + groups.length === 0;
  return (
    <Stack gap="sm" component="section" aria-label={t.editor.strategies}>
      <div>
        <Text fw={600}>{t.editor.strategies}</Text>
        <Text size="xs" c="dimmed">
          {none ? t.editor.noStrategies : t.editor.strategiesHint}
        </Text>
      </div>
      {props.faults?.over ? (
        <Text size="sm" c="red" role="alert">
          {t.strategy.faults.over}
        </Text>
      ) : null}
      {props.violations?.general.map((each) => (
        <Text key={each} size="sm" c="red" role="alert">
          {each}
        </Text>
      ))}
      <CustomStrategies {...props} />
      <Uses {...props} />
      {groups.length === 0 ? null : (
        <Part title={t.editor.groupStrategies}>
          <Box component="ul" m={0} p={0} style={{ listStyle: 'none', display: 'grid', gap: 6 }}>
            {groups.map((each, index) => (
              <Paper component="li" key={`${each.featureGroupId ?? ''}-${index}`} withBorder p="xs">
                <Group justify="space-between" wrap="nowrap" gap="xs">
                  <Anchor
                    component={AppLink}
                    to="/feature-groups"
                    search={{ application: props.applicationId, environment: props.environmentId }}
                    size="sm"
                    title={t.editor.groupHint}
                  >
                    {each.name}
                  </Anchor>
                  <Text size="sm" truncate>
                    {t.grid.serves(words(type, fromWire(type, each.value)))}
                  </Text>
                </Group>
              </Paper>
            ))}
          </Box>
        </Part>
      )}
      {none ? null : (
        <Text size="sm" c="dimmed">
          {t.editor.elseDefault}: {words(type, draft.value)}
        </Text>
      )}
    </Stack>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <Stack gap={6} role="group" aria-label={title}>
      <Text size="xs" fw={600} c="dimmed">
        {title}
      </Text>
      {children}
    </Stack>
  );
}

function CustomStrategies({ type, draft, onChange, editable, faults, violations }: StrategiesProps) {
  const t = useTexts().features;
  const [edited, setEdited] = useState<CustomDraft | null>(null);
  const known = draft.custom.some((each) => each.id === edited?.id);
  const set = (custom: CustomDraft[]) => onChange({ ...draft, custom });
  const replace = (next: CustomDraft) => set(draft.custom.map((each) => (each.id === next.id ? next : each)));
  const take = (next: CustomDraft) => {
    if (known) replace(next);
    else set([...draft.custom, next]);
    setEdited(null);
  };
  const begin = () =>
    setEdited({
      ...newStrategy(draft.custom.map((each) => each.id)),
      value: type === 'BOOLEAN' ? draft.value !== true : draft.value,
    });
  return (
    <>
      {draft.custom.length === 0 ? null : (
        <Part title={t.editor.customStrategies}>
          <SortableList
            items={draft.custom}
            id={(each) => each.id}
            name={(each) => each.name}
            onMove={(from, to) => set(moved(draft.custom, from, to))}
            disabled={!editable}
            render={(each) => (
              <StrategyLine
                name={each.name}
                detail={strategyWords(t.strategy, each)}
                disabled={each.disabled}
                error={strategyError(each, faults, violations, t)}
                value={
                  <ValueInput
                    compact
                    type={type}
                    value={each.value}
                    onChange={(value) => replace({ ...each, value })}
                    label={t.editor.served(each.name)}
                    readOnly={!editable}
                  />
                }
                onEdit={() => setEdited(each)}
                onRemove={editable ? () => set(draft.custom.filter((old) => old.id !== each.id)) : undefined}
              />
            )}
          />
        </Part>
      )}
      {editable ? (
        <Button
          variant="default"
          size="xs"
          leftSection={<IconPlus size={14} />}
          onClick={begin}
          style={{ alignSelf: 'flex-start' }}
        >
          {t.strategy.add}
        </Button>
      ) : null}
      {edited === null ? null : (
        <StrategyDialog
          title={known ? t.strategy.editTitle(edited.name) : t.strategy.addTitle}
          initial={edited}
          onSave={take}
          onClose={() => setEdited(null)}
          saveLabel={t.editor.take}
          {...(violations?.strategies.has(edited.id)
            ? { serverFaults: violations.strategies.get(edited.id) ?? new Map() }
            : {})}
          readOnly={!editable}
          extra={(strategy, update) => (
            <ValueInput
              type={type}
              value={strategy.value}
              onChange={(value) => update({ ...strategy, value })}
              label={t.editor.serve}
              readOnly={!editable}
            />
          )}
        />
      )}
    </>
  );
}

function strategyError(
  each: CustomDraft,
  faults: DraftFaults | null,
  violations: ViolationTexts | null,
  t: ReturnType<typeof useTexts>['features'],
): string | undefined {
  const told = violations?.strategies.get(each.id);
  if (told !== undefined) return [...told.values()][0];
  if (faults?.incomplete.has(each.id)) return t.editor.faults.strategies;
  return faults?.values.has(each.id) ? t.editor.faults.strategyValue : undefined;
}

interface StrategyLineProps {
  name: string;
  detail: string;
  disabled: boolean;
  error: string | undefined;
  value: ReactNode;
  onEdit?: (() => void) | undefined;
  onRemove?: (() => void) | undefined;
}

function StrategyLine({ name, detail, disabled, error, value, onEdit, onRemove }: StrategyLineProps) {
  const t = useTexts().features;
  return (
    <Stack gap={4}>
      <Group gap="xs" wrap="nowrap" justify="space-between">
        <Group gap={6} wrap="nowrap" miw={0}>
          <Text size="sm" fw={600} truncate title={name}>
            {name}
          </Text>
          {disabled ? (
            <Badge size="xs" color="gray" variant="light">
              {t.strategy.disabled}
            </Badge>
          ) : null}
        </Group>
        <Group gap={2} wrap="nowrap">
          {onEdit === undefined ? null : (
            <ActionIcon variant="subtle" color="gray" onClick={onEdit} aria-label={t.editor.editStrategy(name)}>
              <IconPencil size={16} />
            </ActionIcon>
          )}
          {onRemove === undefined ? null : (
            <ActionIcon variant="subtle" color="gray" onClick={onRemove} aria-label={t.editor.removeStrategy(name)}>
              <IconTrash size={16} />
            </ActionIcon>
          )}
        </Group>
      </Group>
      {detail === '' ? null : (
        <Text size="xs" c="dimmed">
          {detail}
        </Text>
      )}
      <Group gap="xs" wrap="nowrap">
        <Text size="xs" c="dimmed">
          {t.editor.serve}
        </Text>
        <Box flex={1} miw={0}>
          {value}
        </Box>
      </Group>
      {error === undefined ? null : (
        <Text size="xs" c="red" role="alert">
          {error}
        </Text>
      )}
    </Stack>
  );
}

/** The most that the server gives at once. */
const MOST_STRATEGIES = 1000;

function Uses({ type, applicationId, draft, onChange, editable, faults, violations }: StrategiesProps) {
  const t = useTexts().features;
  const known = useApi(
    'listApplicationStrategies',
    { appId: applicationId, max: MOST_STRATEGIES, sortOrder: 'ASC' },
    { enabled: editable || draft.uses.length > 0, staleTime: 60_000 },
  );
  const set = (uses: UseDraft[]) => onChange({ ...draft, uses });
  const replace = (next: UseDraft) =>
    set(draft.uses.map((each) => (each.strategyId === next.strategyId ? next : each)));
  const used = new Set(draft.uses.map((each) => each.strategyId));
  const free = (known.data?.items ?? []).filter((each) => !used.has(each.strategy.id));
  const left = (known.data?.max ?? 0) - (known.data?.items.length ?? 0);
  const detailOf = (id: string) => {
    const found = known.data?.items.find((each) => each.strategy.id === id)?.strategy;
    return found === undefined ? '' : strategyWords(t.strategy, strategyFromWire(found));
  };
  const add = (id: string) => {
    const found = free.find((each) => each.strategy.id === id)?.strategy;
    if (found === undefined) return;
    const value = type === 'BOOLEAN' ? draft.value !== true : draft.value;
    set([...draft.uses, { strategyId: id, name: found.name, value, disabled: false }]);
  };
  return (
    <>
      {draft.uses.length === 0 ? null : (
        <Part title={t.editor.applicationStrategies}>
          <SortableList
            items={draft.uses}
            id={(each) => each.strategyId}
            name={(each) => each.name}
            onMove={(from, to) => set(moved(draft.uses, from, to))}
            disabled={!editable}
            render={(each) => (
              <StrategyLine
                name={each.name}
                detail={detailOf(each.strategyId)}
                disabled={each.disabled}
                error={
                  violations?.strategies.get(each.strategyId)?.get('') ??
                  (faults?.values.has(each.strategyId) ? t.editor.faults.strategyValue : undefined)
                }
                value={
                  <ValueInput
                    compact
                    type={type}
                    value={each.value}
                    onChange={(value) => replace({ ...each, value })}
                    label={t.editor.served(each.name)}
                    readOnly={!editable}
                  />
                }
                onRemove={
                  editable ? () => set(draft.uses.filter((old) => old.strategyId !== each.strategyId)) : undefined
                }
              />
            )}
          />
        </Part>
      )}
      {editable && free.length > 0 ? (
        <Select
          aria-label={t.editor.useStrategy}
          placeholder={t.editor.useStrategy}
          size="xs"
          maw={300}
          searchable
          data={free.map((each) => ({ value: each.strategy.id, label: each.strategy.name }))}
          description={left > 0 ? t.editor.firstStrategies(MOST_STRATEGIES) : undefined}
          value={null}
          onChange={(id) => id !== null && add(id)}
        />
      ) : null}
    </>
  );
}
