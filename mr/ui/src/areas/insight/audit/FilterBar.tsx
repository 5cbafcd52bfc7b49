import { Button, CloseButton, Group, Pill, Select, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useEffect, useState } from 'react';
import { useApi } from '@/api/hooks';
import type { AuditEntry } from '@/api/schema';
import { usePlace } from '@/app/place';
import { useTexts } from '@/texts';
import { ACTIONS, type FilterName, type Filters, KINDS } from './filters';

interface FilterBarProps {
  filters: Filters;
  onChange: (change: Partial<Record<FilterName, string | undefined>>) => void;
  /** What was found: they know the names of what the address has ids of. */
  entries: readonly AuditEntry[];
  onClear: (() => void) | undefined;
}

export function FilterBar({ filters, onChange, entries, onClear }: FilterBarProps) {
  const t = useTexts().insight.audit;
  return (
    <Group gap="xs" align="flex-end" component="search">
      <PersonSelect value={filters.actor} onChange={(actor) => onChange({ actor })} entries={entries} />
      <Select
        label={t.kind}
        placeholder={t.any}
        clearable
        clearButtonProps={{ 'aria-label': t.clearOne(t.kind) }}
        w={150}
        data={KINDS.map((kind) => ({ value: kind, label: t.kinds[kind] }))}
        value={filters.kind ?? null}
        onChange={(kind) => onChange({ kind: kind ?? undefined })}
      />
      <Select
        label={t.action}
        placeholder={t.any}
        clearable
        clearButtonProps={{ 'aria-label': t.clearOne(t.action) }}
        w={115}
        data={ACTIONS.map((action) => ({ value: action, label: t.actions[action] }))}
        value={filters.action ?? null}
        onChange={(action) => onChange({ action: action ?? undefined })}
      />
      <PlaceSelect filters={filters} onChange={onChange} />
      <MomentInput label={t.since} value={filters.since} onChange={(since) => onChange({ since })} />
      <MomentInput label={t.until} value={filters.until} onChange={(until) => onChange({ until })} />
      {filters.objectId !== undefined && (
        <ObjectPill id={filters.objectId} entries={entries} onRemove={() => onChange({ objectId: undefined })} />
      )}
      {filters.feature !== undefined && (
        <FeaturePill id={filters.feature} entries={entries} onRemove={() => onChange({ feature: undefined })} />
      )}
      {onClear && (
        <Button variant="subtle" onClick={onClear}>
          {t.clear}
        </Button>
      )}
    </Group>
  );
}

interface PersonSelectProps {
  value: string | undefined;
  onChange: (id: string | undefined) => void;
  entries: readonly AuditEntry[];
}

/** Found by name or e-mail; somebody from a link is known by what they did. */
function PersonSelect({ value, onChange, entries }: PersonSelectProps) {
  const t = useTexts().insight.audit;
  const [text, setText] = useState('');
  const [later] = useDebouncedValue(text, 250);
  const people = useApi(
    'findPeople',
    { ...(later === '' ? {} : { filter: later }), pageSize: 20, startAt: 0, order: 'ASC', includeDeactivated: true },
    { keep: true, staleTime: 30_000 },
  );
  const known = new Map<string, string>();
  for (const { actor } of entries) if (actor.id !== undefined) known.set(actor.id, actor.name ?? actor.id);
  for (const person of people.data?.people ?? []) {
    if (person.id !== undefined) known.set(person.id.id, person.email ?? person.name ?? person.id.id);
  }
  if (value !== undefined && !known.has(value)) known.set(value, value);
  return (
    <Select
      label={t.person}
      placeholder={t.anybody}
      searchable
      clearable
      clearButtonProps={{ 'aria-label': t.clearOne(t.person) }}
      w={170}
      data={[...known].map(([id, label]) => ({ value: id, label }))}
      value={value ?? null}
      onChange={(id) => onChange(id ?? undefined)}
      onSearchChange={setText}
      nothingFoundMessage={t.nobodyFound}
    />
  );
}

/** An application or one of its environments, of the portfolio that is chosen. */
function PlaceSelect({ filters, onChange }: Pick<FilterBarProps, 'filters' | 'onChange'>) {
  const t = useTexts().insight.audit;
  const { portfolio, applications } = usePlace();
  const chosen =
    (filters.inEnvironment && `e ${filters.inEnvironment}`) ??
    (filters.inApplication && `a ${filters.inApplication}`) ??
    (filters.inPortfolio && `p ${filters.inPortfolio}`);
  const data = [
    ...(portfolio ? [{ value: `p ${portfolio.id}`, label: t.portfolioNamed(portfolio.name) }] : []),
    ...applications.flatMap((application) => [
      { value: `a ${application.id}`, label: application.name },
      ...application.environments.map((each) => ({ value: `e ${each.id}`, label: `${application.name} · ${each.name}` })),
    ]),
  ];
  if (chosen && !data.some((each) => each.value === chosen)) data.push({ value: chosen, label: chosen.slice(2) });
  return (
    <Select
      label={t.place}
      placeholder={t.anywhere}
      searchable
      clearable
      clearButtonProps={{ 'aria-label': t.clearOne(t.place) }}
      w={170}
      data={data}
      value={chosen ?? null}
      onChange={(next) => {
        const [kind, id] = next?.split(' ') ?? [];
        onChange({
          inPortfolio: kind === 'p' ? id : undefined,
          inApplication: kind === 'a' ? id : undefined,
          inEnvironment: kind === 'e' ? id : undefined,
        });
      }}
    />
  );
}

interface MomentInputProps {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}

/** Keeps what is typed until the address has it too. */
function MomentInput({ label, value, onChange }: MomentInputProps) {
  const [typed, setTyped] = useState(value ?? '');
  useEffect(() => setTyped(value ?? ''), [value]);
  return (
    <TextInput
      type="datetime-local"
      label={label}
      w={176}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        onChange(event.currentTarget.value || undefined);
      }}
    />
  );
}

interface PillProps {
  id: string;
  entries: readonly AuditEntry[];
  onRemove: () => void;
}

function ObjectPill({ id, entries, onRemove }: PillProps) {
  const t = useTexts().insight.audit;
  const found = entries.find((entry) => entry.object.id === id)?.object;
  return <Only name={t.onlyObject(found?.name ?? id)} onRemove={onRemove} />;
}

function FeaturePill({ id, entries, onRemove }: PillProps) {
  const t = useTexts().insight.audit;
  // All that is found is of this feature, and goes by its key.
  return <Only name={t.onlyFeature(entries[0]?.object.name ?? id)} onRemove={onRemove} />;
}

function Only({ name, onRemove }: { name: string; onRemove: () => void }) {
  const t = useTexts().insight.audit;
  return (
    <Pill size="lg" radius="sm" mb={4}>
      <Group gap={4} wrap="nowrap" component="span">
        {name}
        <CloseButton size="xs" aria-label={t.clearOne(name)} onClick={onRemove} />
      </Group>
    </Pill>
  );
}
