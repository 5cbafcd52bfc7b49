import { IconRobot, IconSettings, IconUsers } from '@tabler/icons-react';
import type { AreaRoute, Standing } from '@/app/area';
import { isAnyPortfolioAdmin, isSuperuser } from '@/app/permissions';

const admins = ({ me }: Standing) => isAnyPortfolioAdmin(me);

export const routes: AreaRoute[] = [
  {
    path: '/users',
    load: () => import('./Users'),
    title: (t) => t.people.users,
    who: admins,
    nav: { section: 'organization', icon: IconUsers, order: 20 },
  },
  { path: '/create-user', load: () => import('./InviteUser'), title: (t) => t.people.inviteTitle, who: admins, under: '/users' },
  { path: '/manage-user/$id', load: () => import('./ManageUser'), title: (t) => t.people.users, who: admins, under: '/users' },
  {
    path: '/admin-service-accounts',
    load: () => import('./AdminAccounts'),
    title: (t) => t.people.accounts,
    who: admins,
    nav: { section: 'organization', icon: IconRobot, order: 30 },
  },
  {
    path: '/create-admin-api-key',
    load: () => import('./CreateAdminAccount'),
    title: (t) => t.people.createAccountTitle,
    who: admins,
    under: '/admin-service-accounts',
  },
  {
    path: '/edit-admin-service-account/$id',
    load: () => import('./EditAdminAccount'),
    title: (t) => t.people.accounts,
    who: admins,
    under: '/admin-service-accounts',
  },
  {
    path: '/system-config',
    load: () => import('./SystemConfig'),
    title: (t) => t.people.config.title,
    who: ({ me }) => isSuperuser(me),
    nav: { section: 'organization', icon: IconSettings, order: 40 },
  },
];
