/** One environment's value in the editor: lock, retirement, default value, strategies, history. */
import { Alert, Anchor, Button, Checkbox, Divider, Group, Stack, Switch, Text } from '@mantine/core';
import { IconHistory, IconLock } from '@tabler/icons-react';
import type { FeatureEnvironment } from '@/api/schema';
import { AppLink } from '@/app/navigate';
import { isAnyPortfolioAdmin } from '@/app/permissions';
import { useMe } from '@/app/session';
import { Ago, Failure } from '@/kit';
import { ProductionMark } from '@/kit/ProductionMark';
import { useTexts } from '@/texts';
import { type Draft, draftOf } from '../model/draft';
import { contentEditable, lockEditable, type Rights } from '../model/rights';
import type { FeatureType } from '../model/wire';
import type { ViolationTexts } from '../strategies/violations';
import { CopyFrom } from './CopyFrom';
import type { Editing } from './drafts';
import { draftFaults } from './faults';
import { HistoryPanel } from './HistoryPanel';
import { Strategies } from './Strategies';
import { ValueInput } from './ValueInput';

export interface Refusal {
  error: unknown;
  violations: ViolationTexts | null;
}

interface ValuePanelProps {
  applicationId: string;
  featureId: string;
  featureKey: string;
  type: FeatureType;
  environment: FeatureEnvironment;
  /** Those whose values may be seen, to copy from. */
  others: readonly FeatureEnvironment[];
  rights: Rights;
  editing: Editing | undefined;
  refusal: Refusal | undefined;
  history: boolean;
  onHistory: (shown: boolean) => void;
  onChange: (draft: Draft) => void;
  onRestore: (draft: Draft, leftOut: readonly string[]) => void;
  onCompare: () => void;
}

export function ValuePanel(props: ValuePanelProps) {
  const { type, environment, rights, editing, refusal, onChange } = props;
  const t = useTexts().features;
  const audited = isAnyPortfolioAdmin(useMe());
  const stored = draftOf(type, environment.featureValue);
  const base = editing?.base ?? stored;
  const draft = editing?.draft ?? stored;
  const editable = contentEditable(rights, base, draft);
  const faults = editing === undefined ? null : draftFaults(type, draft);
  const valueError = faults?.value === 'number' ? t.editor.faults.number : undefined;
  return (
    <Stack gap="md">
      <div>
        <Group justify="space-between" mih={30}>
          <Group gap="xs">
            <Text fw={650} component="h2" m={0}>
              {environment.environment.name}
            </Text>
            <ProductionMark environment={environment.environment} />
          </Group>
          {editable ? <CopyFrom type={type} others={props.others} draft={draft} onChange={onChange} /> : null}
        </Group>
        <Changed {...props} />
      </div>
      <Meanwhile {...props} />
      {refusal === undefined || refusal.violations !== null ? null : <Failure error={refusal.error} />}
      <LockRow draft={draft} base={base} rights={rights} onChange={onChange} />
      <ValueInput
        type={type}
        value={draft.value}
        onChange={(value) => onChange({ ...draft, value })}
        label={t.editor.defaultValue}
        description={t.editor.defaultHint}
        error={valueError}
        readOnly={!editable}
      />
      <Strategies
        type={type}
        applicationId={props.applicationId}
        environmentId={environment.environment.id}
        draft={draft}
        onChange={onChange}
        groups={environment.featureValue?.featureGroupStrategies ?? []}
        editable={editable}
        faults={faults}
        violations={refusal?.violations ?? null}
      />
      <Checkbox
        label={t.editor.retired}
        description={t.editor.retiredHint}
        checked={draft.retired}
        onChange={(event) => onChange({ ...draft, retired: event.currentTarget.checked })}
        disabled={!editable}
      />
      <Divider />
      <Group justify="space-between">
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconHistory size={16} />}
          aria-expanded={props.history}
          onClick={() => props.onHistory(!props.history)}
        >
          {props.history ? t.editor.hideHistory : t.editor.showHistory}
        </Button>
        <Group gap="md">
          {audited ? (
            <Anchor
              component={AppLink}
              to="/audit"
              search={{ feature: props.featureId, inEnvironment: environment.environment.id }}
              size="sm"
            >
              {t.editor.audit}
            </Anchor>
          ) : null}
          <Anchor
            component={AppLink}
            to="/playground"
            search={{ environment: environment.environment.id, feature: props.featureKey }}
            size="sm"
          >
            {t.editor.why}
          </Anchor>
        </Group>
      </Group>
      {props.history ? (
        <HistoryPanel
          applicationId={props.applicationId}
          featureId={props.featureId}
          environmentId={environment.environment.id}
          type={type}
          editable={rights.change && (!base.locked || rights.unlock)}
          onRestore={props.onRestore}
        />
      ) : null}
    </Stack>
  );
}

/** Which version this is, and who reads it. */
function Changed({ environment }: ValuePanelProps) {
  const t = useTexts().features.editor;
  const value = environment.featureValue;
  const who = value?.whoUpdated?.name;
  return (
    <Text size="xs" c="dimmed">
      {value === undefined ? (
        t.neverSet
      ) : (
        <>
          {who === undefined ? t.changedPlain(value.version) : t.changedBy(who, value.version)}{' '}
          <Ago time={value.whenUpdated} />
        </>
      )}
      {environment.serviceAccounts.length > 0 ? ` · ${t.accounts(environment.serviceAccounts.length)}` : ''}
    </Text>
  );
}

/** Somebody saved while this was being edited: told before saving fails. */
function Meanwhile({ environment, editing, onCompare }: ValuePanelProps) {
  const t = useTexts().features.editor;
  const value = environment.featureValue;
  if (editing === undefined || value === undefined || value.version === editing.version) return null;
  const who = value.whoUpdated?.name;
  return (
    <Alert color="orange" p="xs" role="status">
      <Group justify="space-between">
        <Text size="sm">{who === undefined ? t.movedMeanwhilePlain : t.movedMeanwhile(who)}</Text>
        <Button size="compact-sm" variant="default" onClick={onCompare}>
          {t.compare}
        </Button>
      </Group>
    </Alert>
  );
}

interface LockRowProps {
  draft: Draft;
  base: Draft;
  rights: Rights;
  onChange: (draft: Draft) => void;
}

function LockRow({ draft, base, rights, onChange }: LockRowProps) {
  const t = useTexts().features.editor;
  const note = lockNote(draft, base, rights);
  return (
    <Stack gap={6}>
      <Switch
        label={t.locked}
        description={t.lockedHint}
        checked={draft.locked}
        onChange={(event) => onChange({ ...draft, locked: event.currentTarget.checked })}
        disabled={!lockEditable(rights, base)}
        thumbIcon={draft.locked ? <IconLock size={12} color="var(--mantine-color-yellow-8)" /> : undefined}
      />
      {note === null ? null : (
        <Alert variant="light" color={note === 'unlockFirst' ? 'yellow' : 'gray'} p="xs">
          <Text size="sm">{t[note]}</Text>
        </Alert>
      )}
    </Stack>
  );
}

function lockNote(draft: Draft, base: Draft, rights: Rights) {
  if (!rights.write) return 'readOnly' as const;
  if (base.locked && !rights.unlock) return 'lockedNoRight' as const;
  if (!rights.change) return 'cannotChange' as const;
  return base.locked && draft.locked ? ('unlockFirst' as const) : null;
}
