import { IconRobot } from '@tabler/icons-react';
import type { AreaRoute } from '@/app/area';
import { isPortfolioAdmin } from '@/app/permissions';

export const routes: AreaRoute[] = [
  {
    path: '/service-accounts',
    load: () => import('./AccountsPage'),
    title: (t) => t.accounts.title,
    who: ({ me, portfolioId }) => isPortfolioAdmin(me, portfolioId),
    nav: { section: 'portfolio', icon: IconRobot, order: 20 },
  },
];
