import { IconBriefcase, IconFilter } from '@tabler/icons-react';
import type { AreaRoute, Standing } from '@/app/area';
import { isPortfolioAdmin, isSuperuser } from '@/app/permissions';

/** Whoever may read an application of the portfolio may see its filters. */
function readsApplications({ me, portfolioId }: Standing): boolean {
  if (isPortfolioAdmin(me, portfolioId)) return true;
  const ours = me.groups.filter((group) => group.portfolioId === portfolioId);
  return ours.some((group) => group.applicationRoles.length > 0 || group.environmentRoles.length > 0);
}

export const routes: AreaRoute[] = [
  {
    path: '/feature-filters',
    load: () => import('./FiltersPage'),
    title: (t) => t.portfolios.filters.title,
    who: readsApplications,
    nav: { section: 'portfolio', icon: IconFilter, order: 30 },
  },
  {
    path: '/portfolios',
    load: () => import('./PortfoliosPage'),
    title: (t) => t.portfolios.title,
    who: ({ me }) => isSuperuser(me),
    nav: { section: 'organization', icon: IconBriefcase, order: 10 },
  },
];
