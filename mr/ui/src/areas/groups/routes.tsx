import { IconUsersGroup } from '@tabler/icons-react';
import type { AreaRoute } from '@/app/area';
import { isPortfolioAdmin } from '@/app/permissions';

export const routes: AreaRoute[] = [
  {
    path: '/groups',
    load: () => import('./GroupsPage'),
    title: (t) => t.groups.title,
    who: ({ me, portfolioId }) => isPortfolioAdmin(me, portfolioId),
    nav: { section: 'portfolio', icon: IconUsersGroup, order: 10 },
  },
];
