import { IconChartBar, IconHelpCircle, IconZoomCode } from '@tabler/icons-react';
import type { AreaRoute } from '@/app/area';
import { isAnyPortfolioAdmin } from '@/app/permissions';

export const routes: AreaRoute[] = [
  {
    path: '/playground',
    load: () => import('./playground/Playground'),
    title: (t) => t.insight.playground.title,
    nav: { section: 'insight', icon: IconHelpCircle, order: 10 },
  },
  {
    path: '/usage',
    load: () => import('./usage/UsagePage'),
    title: (t) => t.insight.usage.title,
    nav: { section: 'insight', icon: IconChartBar, order: 20 },
  },
  {
    path: '/audit',
    load: () => import('./audit/AuditPage'),
    title: (t) => t.insight.audit.title,
    who: ({ me }) => isAnyPortfolioAdmin(me),
    nav: { section: 'insight', icon: IconZoomCode, order: 30 },
  },
];
