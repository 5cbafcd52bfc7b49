/** The fields of a feature's definition, the same for a new one and for an old one. */
import { MultiSelect, SegmentedControl, Input, Text, Textarea, TextInput } from '@mantine/core';
import { faultOf } from '@/api/problem';
import { useApi } from '@/api/hooks';
import { isPortfolioAdmin } from '@/app/permissions';
import { useMe } from '@/app/session';
import { useTexts } from '@/texts';
import { useAllFilters } from '../../portfolios/allFilters';
import { FEATURE_TYPES, type FeatureType } from '../model/wire';

export interface Definition {
  name: string;
  key: string;
  type: FeatureType;
  description: string;
  link: string;
  filters: string[];
}

export const NEW: Definition = { name: '', key: '', type: 'BOOLEAN', description: '', link: '', filters: [] };

export function complete(definition: Definition): boolean {
  return definition.name.trim() !== '' && definition.key.trim() !== '' && !keyIsBad(definition.key);
}

export function keyIsBad(key: string): boolean {
  return /[\s/]/.test(key.trim());
}

/** `New checkout!` → `new_checkout`: a first proposal for the key. */
export function proposedKey(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replaceAll('ß', 'ss')
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '');
}

interface FieldsProps {
  value: Definition;
  onChange: (next: Definition) => void;
  error: unknown;
  portfolioId: string;
  /** The key follows the name until somebody types another. */
  fresh: boolean;
  taken: boolean;
  readOnly?: boolean;
}

export function Fields({ value, onChange, error, portfolioId, fresh, taken, readOnly = false }: FieldsProps) {
  const t = useTexts();
  const words = t.features.form;
  const follows = fresh && value.key === proposedKey(value.name);
  return (
    <>
      <TextInput
        label={words.name}
        placeholder={fresh ? words.namePlaceholder : ''}
        value={value.name}
        onChange={(event) => {
          const name = event.currentTarget.value;
          onChange({ ...value, name, ...(follows ? { key: proposedKey(name) } : {}) });
        }}
        error={faultOf(error, 'name')}
        required
        readOnly={readOnly}
        data-autofocus
      />
      <TextInput
        label={words.key}
        description={fresh ? words.keyHint : words.keyEditHint}
        value={value.key}
        onChange={(event) => onChange({ ...value, key: event.currentTarget.value })}
        error={keyError(t.features.form, value.key, taken) ?? faultOf(error, 'key')}
        required
        readOnly={readOnly}
        autoComplete="off"
        spellCheck={false}
        styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
      />
      <Input.Wrapper label={words.type} description={fresh ? undefined : words.typeFixed} labelElement="div">
        <SegmentedControl
          fullWidth
          mt={4}
          aria-label={words.type}
          data={FEATURE_TYPES.map((each) => ({ value: each, label: t.common.types[each] }))}
          value={value.type}
          onChange={(type) => onChange({ ...value, type: type as FeatureType })}
          disabled={!fresh || readOnly}
        />
      </Input.Wrapper>
      <Textarea
        label={words.description}
        value={value.description}
        onChange={(event) => onChange({ ...value, description: event.currentTarget.value })}
        error={faultOf(error, 'description')}
        maxLength={300}
        autosize
        minRows={2}
        readOnly={readOnly}
      />
      <TextInput
        label={words.link}
        description={words.linkHint}
        type="url"
        value={value.link}
        onChange={(event) => onChange({ ...value, link: event.currentTarget.value })}
        error={faultOf(error, 'link')}
        readOnly={readOnly}
      />
      <Filters
        portfolioId={portfolioId}
        value={value.filters}
        onChange={(filters) => onChange({ ...value, filters })}
        readOnly={readOnly}
      />
    </>
  );
}

function keyError(
  words: ReturnType<typeof useTexts>['features']['form'],
  key: string,
  taken: boolean,
): string | undefined {
  if (taken) return words.keyTaken;
  return keyIsBad(key) ? words.keyBad : undefined;
}

interface FiltersProps {
  portfolioId: string;
  value: string[];
  onChange: (next: string[]) => void;
  readOnly: boolean;
}

function Filters({ portfolioId, value, onChange, readOnly }: FiltersProps) {
  const t = useTexts().features.form;
  const filters = useAllFilters(portfolioId, { includeDetails: false, staleTime: 60_000 });
  const known = filters.data ?? [];
  if (known.length === 0) return null;
  return (
    <>
      <MultiSelect
        label={t.filters}
        description={t.filtersHint}
        data={known.map((each) => ({ value: each.id, label: each.name }))}
        value={value}
        onChange={onChange}
        searchable
        clearable={!readOnly}
        readOnly={readOnly}
      />
      <Affected portfolioId={portfolioId} filters={value} />
    </>
  );
}

/** Which service accounts these filters are about; administrators of the portfolio may know. */
function Affected({ portfolioId, filters }: { portfolioId: string; filters: string[] }) {
  const t = useTexts().features.form;
  const admin = isPortfolioAdmin(useMe(), portfolioId);
  const asked = admin && filters.length > 0;
  const matching = useApi(
    'getMatchingFilters',
    { id: portfolioId, matchType: 'serviceaccounts', filters },
    { enabled: asked, keep: true },
  );
  if (filters.length === 0)
    return (
      <Text size="xs" c="dimmed">
        {t.unfiltered}
      </Text>
    );
  if (!asked || matching.data === undefined) return null;
  const accounts = matching.data.matchingResults;
  return (
    <Text size="xs" c="dimmed" aria-live="polite">
      {accounts.length === 0 ? t.affectedNone : `${t.affected}: ${accounts.map((each) => each.name).join(', ')}`}
    </Text>
  );
}
