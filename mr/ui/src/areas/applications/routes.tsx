import { IconBox, IconKey, IconPlugConnected, IconRobot, IconStack2, IconUsersGroup } from '@tabler/icons-react';
import type { AreaRoute, Standing } from '@/app/area';
import { isPortfolioAdmin } from '@/app/permissions';

const admin = ({ me, portfolioId }: Standing) => isPortfolioAdmin(me, portfolioId);
const settings = () => import('./settings/SettingsPage');

export const routes: AreaRoute[] = [
  {
    path: '/applications',
    load: () => import('./ApplicationsPage'),
    title: (t) => t.applications.title,
    nav: { section: 'features', icon: IconBox, order: 10 },
  },
  {
    path: '/api-keys',
    load: () => import('./keys/ApiKeysPage'),
    title: (t) => t.applications.apiKeys.title,
    nav: { section: 'features', icon: IconKey, order: 50 },
  },
  {
    path: '/app-settings',
    load: () => import('./settings/SettingsStart'),
    title: (t) => t.applications.settings,
    who: admin,
  },
  {
    path: '/app-settings/environments',
    load: settings,
    title: (t) => t.applications.tabs.environments,
    who: admin,
    nav: { section: 'application', icon: IconStack2, order: 10 },
  },
  {
    path: '/app-settings/groups',
    load: settings,
    title: (t) => t.applications.tabs.groups,
    who: admin,
    nav: { section: 'application', icon: IconUsersGroup, order: 20 },
  },
  {
    path: '/app-settings/accounts',
    load: settings,
    title: (t) => t.applications.tabs.accounts,
    who: admin,
    nav: { section: 'application', icon: IconRobot, order: 30 },
  },
  {
    path: '/app-settings/integrations',
    load: settings,
    title: (t) => t.applications.tabs.integrations,
    who: admin,
    nav: { section: 'application', icon: IconPlugConnected, order: 40 },
  },
];
