import { ActionIcon, Anchor, Burger, Button, Group, Kbd, Menu, Text, Tooltip, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import {
  IconApi,
  IconChecklist,
  IconKey,
  IconLanguage,
  IconLogout,
  IconMoon,
  IconSearch,
  IconSun,
  IconUserCircle,
} from '@tabler/icons-react';
import { address } from '@/api/client';
import { useApi } from '@/api/hooks';
import { signOut } from '@/api/session';
import { useNotify } from '@/kit/notify';
import { LANGUAGES, useTexts } from '@/texts';
import { ChangePassword } from './ChangePassword';
import { useLanguage } from './language';
import { LiveMark } from './LiveMark';
import { AppLink } from './navigate';
import { PortfolioSelect } from './PortfolioSelect';
import { openPalette } from './palette';
import { isAnyPortfolioAdmin } from './permissions';
import { useMe, useSession } from './session';

interface TopBarProps {
  menuOpened: boolean;
  onMenu: () => void;
  onSetup: () => void;
}

export function TopBar({ menuOpened, onMenu, onSetup }: TopBarProps) {
  const t = useTexts();
  const me = useMe();
  return (
    <Group h="100%" px="md" gap="sm" wrap="nowrap" component="nav" aria-label={t.frame.product}>
      <Burger opened={menuOpened} onClick={onMenu} hiddenFrom="md" size="sm" aria-label={t.frame.openMenu} />
      <Anchor component={AppLink} to="/" underline="never" c="inherit" aria-label={`${t.frame.product}: ${t.frame.home}`}>
        <Group gap={6} wrap="nowrap">
          <img src={address('/burgee.svg')} alt="" width={24} height={24} />
          <Text fw={700} visibleFrom="sm">
            {t.frame.product}
          </Text>
        </Group>
      </Anchor>
      <PortfolioSelect />
      <div style={{ flex: 1 }} />
      <LiveMark />
      <Button
        variant="default"
        size="xs"
        leftSection={<IconSearch size={14} />}
        rightSection={<Kbd size="xs" visibleFrom="md">Ctrl K</Kbd>}
        onClick={openPalette}
        visibleFrom="sm"
        style={{ flexShrink: 0 }}
      >
        {t.frame.palette}
      </Button>
      {isAnyPortfolioAdmin(me) && (
        <Tooltip label={t.frame.setup.open}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t.frame.setup.open} onClick={onSetup}>
            <IconChecklist size={20} />
          </ActionIcon>
        </Tooltip>
      )}
      <Tooltip label={t.frame.apiDescription}>
        <ActionIcon
          variant="subtle"
          color="gray"
          size="lg"
          component="a"
          href={address('/mr-api/openapi.json')}
          target="_blank"
          rel="noreferrer"
          aria-label={t.frame.apiDescription}
        >
          <IconApi size={20} />
        </ActionIcon>
      </Tooltip>
      <SchemeSwitch />
      <LanguageMenu />
      <UserMenu />
    </Group>
  );
}

/** Light or dark. */
export function SchemeSwitch() {
  const t = useTexts();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  const label = scheme === 'dark' ? t.frame.light : t.frame.dark;
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        aria-label={label}
        onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}
      >
        {scheme === 'dark' ? <IconSun size={20} /> : <IconMoon size={20} />}
      </ActionIcon>
    </Tooltip>
  );
}

/** Only where there is a choice. */
export function LanguageMenu() {
  const t = useTexts();
  const { language, choose } = useLanguage();
  const languages = Object.entries(LANGUAGES);
  if (languages.length < 2) return null;
  return (
    <Menu>
      <Menu.Target>
        <Tooltip label={t.frame.language}>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t.frame.language}>
            <IconLanguage size={20} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {languages.map(([code, each]) => (
          <Menu.Item key={code} lang={code} fw={code === language ? 600 : 400} onClick={() => choose(code)}>
            {each.name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function UserMenu() {
  const t = useTexts();
  const me = useMe();
  const notify = useNotify();
  const { site } = useSession();
  const version = useApi('getInfoVersion', {}, { staleTime: 600_000 });
  const [changing, change] = useDisclosure(false);
  const name = me.name ?? me.email ?? '';
  return (
    <>
      <Menu position="bottom-end" width={240}>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t.frame.user(name)}>
            <IconUserCircle size={22} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            <Text size="sm" fw={600} c="var(--mantine-color-text)">
              {me.name}
            </Text>
            {me.email}
          </Menu.Label>
          {site?.providers.includes('local') && (
            <Menu.Item leftSection={<IconKey size={16} />} onClick={change.open}>
              {t.frame.changePassword}
            </Menu.Item>
          )}
          <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => signOut().catch(notify.failure)}>
            {t.frame.signOut}
          </Menu.Item>
          {version.data && (
            <>
              <Menu.Divider />
              <Menu.Label>{t.frame.version(version.data.version)}</Menu.Label>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      <ChangePassword opened={changing} onClose={change.close} />
    </>
  );
}
