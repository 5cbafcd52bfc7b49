/** Above the grid: which application, which features, which environments. */
import { ActionIcon, Button, Group, Menu, ScrollArea, Select, Text, Tooltip } from '@mantine/core';
import {
  IconColumns3,
  IconFilter,
  IconFilterOff,
  IconSortAscendingLetters,
  IconSortDescendingLetters,
  IconToggleRight,
} from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { SearchBox } from '@/kit';
import { ApplicationSelect } from '@/kit/ForApplication';
import { useTexts } from '@/texts';
import { useAllFilters } from '../../portfolios/allFilters';
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
      <CheckMenu
        label={words.types}
        icon={<IconToggleRight size={16} />}
        options={FEATURE_TYPES.map((each) => ({ value: each, label: t.common.types[each] }))}
        chosen={new Set(choices.types)}
        told={choices.types.length === 0 ? '' : String(choices.types.length)}
        onChoose={(types) => onChoices({ ...choices, types: [...types] as FeatureType[] })}
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
  const filters = useAllFilters(portfolioId, { includeDetails: false, staleTime: 60_000 });
  const known = filters.data ?? [];
  if (known.length === 0) return null;
  const chosen = choices.filters.filter((each) => known.some((filter) => filter.id === each));
  return (
    <CheckMenu
      label={t.filters}
      icon={<IconFilter size={16} />}
      options={known.map((each) => ({ value: each.id, label: each.name }))}
      chosen={new Set(chosen)}
      told={chosen.length === 0 ? '' : String(chosen.length)}
      onChoose={(filters) => onChoices({ ...choices, filters: [...filters] })}
    />
  );
}

function EnvironmentMenu({
  environments,
  hidden,
  onHidden,
}: Pick<ToolbarProps, 'environments' | 'hidden' | 'onHidden'>) {
  const t = useTexts().features.toolbar;
  const shown = environments.filter((each) => !hidden.has(each.id)).length;
  const all = environments.map((each) => each.id);
  return (
    <CheckMenu
      label={t.environments}
      icon={<IconColumns3 size={16} />}
      options={environments.map((each) => ({ value: each.id, label: each.name }))}
      chosen={new Set(all.filter((each) => !hidden.has(each)))}
      told={t.environmentsShown(shown, environments.length)}
      onChoose={(chosen) => onHidden(new Set(all.filter((each) => !chosen.has(each))))}
    >
      <Menu.Divider />
      <Menu.Item onClick={() => onHidden(new Set())} disabled={shown === environments.length}>
        {t.showAll}
      </Menu.Item>
      <Menu.Item onClick={() => onHidden(new Set(all))} disabled={shown === 0}>
        {t.showNone}
      </Menu.Item>
    </CheckMenu>
  );
}

interface CheckMenuProps {
  label: string;
  icon: ReactNode;
  options: readonly { value: string; label: string }[];
  chosen: ReadonlySet<string>;
  /** What stands behind the label: how many are chosen. */
  told: string;
  onChoose: (chosen: ReadonlySet<string>) => void;
  /** Below the list. */
  children?: ReactNode;
}

/** Several of a list, behind a button that keeps its size whatever is chosen. */
function CheckMenu({ label, icon, options, chosen, told, onChoose, children }: CheckMenuProps) {
  return (
    <Menu closeOnItemClick={false} position="bottom-start" withinPortal>
      <Menu.Target>
        <Button variant="default" leftSection={icon} fw={400}>
          {label}
          {told === '' ? null : (
            <Text span inherit c="dimmed" ml={6}>
              {told}
            </Text>
          )}
        </Button>
      </Menu.Target>
      <Menu.Dropdown aria-label={label}>
        <ScrollArea.Autosize mah={360}>
          {options.map((each) => (
            <Menu.CheckboxItem
              key={each.value}
              checked={chosen.has(each.value)}
              onChange={(checked) => {
                const next = new Set(chosen);
                if (checked) next.add(each.value);
                else next.delete(each.value);
                onChoose(next);
              }}
            >
              {each.label}
            </Menu.CheckboxItem>
          ))}
        </ScrollArea.Autosize>
        {children}
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
  const data = [
    ...(all ? [{ value: 'all', label: t.rowsAll }] : []),
    ...SIZES.map((each) => ({ value: String(each), label: String(each) })),
  ];
  const value = size === null ? (all ? 'all' : '200') : String(size);
  return (
    <Group gap={6}>
      <Text size="xs" c="dimmed" aria-hidden>
        {t.rows}
      </Text>
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
