import { ActionIcon, Menu } from '@mantine/core';
import { IconDots, type TablerIcon } from '@tabler/icons-react';
import { AppLink, type Search } from '@/app/navigate';

export interface MenuEntry {
  label: string;
  icon: TablerIcon;
  onClick?: () => void;
  /** Instead of `onClick`: where it leads. */
  to?: string;
  search?: Search;
  danger?: boolean;
}

/** What else can be done with one item of a list. Renders nothing when that is nothing. */
export function ItemMenu({ label, entries }: { label: string; entries: readonly (MenuEntry | false)[] }) {
  const shown = entries.filter((entry) => entry !== false);
  if (shown.length === 0) return null;
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" aria-label={label}>
          <IconDots size={18} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {shown.map(({ label: text, icon: Icon, onClick, to, search, danger }) => {
          const look = { leftSection: <Icon size={16} />, color: danger ? 'red' : undefined };
          return to === undefined ? (
            <Menu.Item key={text} {...look} onClick={onClick}>
              {text}
            </Menu.Item>
          ) : (
            <Menu.Item key={text} {...look} component={AppLink} to={to} search={search}>
              {text}
            </Menu.Item>
          );
        })}
      </Menu.Dropdown>
    </Menu>
  );
}
