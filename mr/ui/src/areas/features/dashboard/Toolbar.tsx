/** Above the grid: which application, which features, which environments. */
import { ActionIcon, Button, Checkbox, Group, Menu, MultiSelect, ScrollArea, Select, Stack, Text, Tooltip } from '@mantine/core';
import { IconColumns3, IconFilterOff, IconSortAscendingLetters, IconSortDescendingLetters } from '@tabler/icons-react';
import { useApi } from '@/api/hooks';
import { SearchBox } from '@/kit';
import { ApplicationSelect } from '@/kit/ForApplication';
import { useTexts } from '@/texts';
import { FEATURE_TYPES, type FeatureType } from '../model/wire';
import type { Choices } from './choices';
import type { GridEnvironment } from './table';

interface ToolbarProps {
  portfolioId: string;
  text: string;
  onText: (text: string) => void;
  choices: Choices;
  onChoices: (next: Choices) => void;
  environments: readonly GridEnvironment[];
  hidden: ReadonlySet<string>;
  onHidden: (hidden: ReadonlySet<string>) => void;
  onLeave: () => void;
}

export function Toolbar(props: ToolbarProps) {
  const { choices, onChoices } = props;
  const t = useTexts();
  const words = t.features.toolbar;
  const narrowed = props.text !== '' || choices.types.length > 0 || choices.filters.length > 0;
  return (
    <Group gap="xs" role="toolbar" aria-label={t.features.title}>
      <ApplicationSelect />
      <SearchBox
        aria-label={words.search}
        placeholder={words.searchPlaceholder}
        value={props.text}
        onChange={props.onText}
        wait={0}
        w={230}
        onKeyDownCapture={(event) => {
          // From the search straight into what it found.
          if (event.key === 'ArrowDown' || event.key === 'Enter') {
            event.preventDefault();
            props.onLeave();
          }
        }}
      />
      <MultiSelect
        aria-label={words.types}
        placeholder={choices.types.length === 0 ? words.types : ''}
        data={FEATURE_TYPES.map((each) => ({ value: each, label: t.common.types[each] }))}
        value={choices.types}
        onChange={(types) => onChoices({ ...choices, types: types as FeatureType[] })}
        w={choices.types.length > 1 ? 240 : 150}
        clearable
      />
      <FilterSelect portfolioId={props.portfolioId} choices={choices} onChoices={onChoices} />
      <EnvironmentMenu environments={props.environments} hidden={props.hidden} onHidden={props.onHidden} />
      <Tooltip label={choices.descending ? t.features.grid.sortDescending : t.features.grid.sortAscending}>
        <ActionIcon
          variant="default"
          size="lg"
          aria-label={choices.descending ? t.features.grid.sortDescending : t.features.grid.sortAscending}
          onClick={() => onChoices({ ...choices, descending: !choices.descending })}
        >
          {choices.descending ? <IconSortDescendingLetters size={18} /> : <IconSortAscendingLetters size={18} />}
        </ActionIcon>
      </Tooltip>
      {narrowed ? (
        <Button
          variant="subtle"
          color="gray"
          leftSection={<IconFilterOff size={16} />}
          onClick={() => {
            props.onText('');
            onChoices({ ...choices, types: [], filters: [] });
          }}
        >
          {words.reset}
        </Button>
      ) : null}
    </Group>
  );
}

type FilterSelectProps = Pick<ToolbarProps, 'portfolioId' | 'choices' | 'onChoices'>;

/** Hidden where the portfolio has no filters: there is nothing to choose. */
function FilterSelect({ portfolioId, choices, onChoices }: FilterSelectProps) {
  const t = useTexts().features.toolbar;
  const filters = useApi('findFeatureFilters', { id: portfolioId, max: 100, sortOrder: 'ASC' }, { staleTime: 60_000 });
  const known = filters.data?.filters ?? [];
  if (known.length === 0) return null;
  const data = known.map((each) => ({ value: each.id, label: each.name }));
  return (
    <MultiSelect
      aria-label={t.filters}
      placeholder={choices.filters.length === 0 ? t.filters : ''}
      data={data}
      value={choices.filters.filter((each) => known.some((filter) => filter.id === each))}
      onChange={(next) => onChoices({ ...choices, filters: next })}
      w={choices.filters.length > 1 ? 240 : 150}
      searchable
      clearable
    />
  );
}

function EnvironmentMenu({ environments, hidden, onHidden }: Pick<ToolbarProps, 'environments' | 'hidden' | 'onHidden'>) {
  const t = useTexts().features.toolbar;
  const shown = environments.filter((each) => !hidden.has(each.id)).length;
  return (
    <Menu closeOnItemClick={false} position="bottom-start" withinPortal>
      <Menu.Target>
        <Button variant="default" leftSection={<IconColumns3 size={16} />} fw={400}>
          {t.environments}
          <Text span inherit c="dimmed" ml={6}>{t.environmentsShown(shown, environments.length)}</Text>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <ScrollArea.Autosize mah={360}>
          <Stack gap={2} p={4} role="group" aria-label={t.environments}>
            {environments.map((each) => (
              <Checkbox
                key={each.id}
                p={4}
                label={each.name}
                checked={!hidden.has(each.id)}
                onChange={(event) => {
                  const next = new Set(hidden);
                  if (event.currentTarget.checked) next.delete(each.id);
                  else next.add(each.id);
                  onHidden(next);
                }}
              />
            ))}
          </Stack>
        </ScrollArea.Autosize>
        <Menu.Divider />
        <Menu.Item onClick={() => onHidden(new Set())} disabled={shown === environments.length}>{t.showAll}</Menu.Item>
        <Menu.Item onClick={() => onHidden(new Set(environments.map((each) => each.id)))} disabled={shown === 0}>
          {t.showNone}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

const SIZES = [25, 50, 100, 200];

interface PagerProps {
  size: number | null;
  onSize: (size: number | null) => void;
  /** All rows at once are possible. */
  all: boolean;
}

export function RowsSelect({ size, onSize, all }: PagerProps) {
  const t = useTexts().features.toolbar;
  const data = [...(all ? [{ value: 'all', label: t.rowsAll }] : []), ...SIZES.map((each) => ({ value: String(each), label: String(each) }))];
  const value = size === null ? (all ? 'all' : '200') : String(size);
  return (
    <Group gap={6}>
      <Text size="xs" c="dimmed" aria-hidden>{t.rows}</Text>
      <Select
        aria-label={t.rows}
        size="xs"
        w={76}
        allowDeselect={false}
        data={data}
        value={value}
        onChange={(next) => onSize(next === null || next === 'all' ? null : Number(next))}
      />
    </Group>
  );
}
