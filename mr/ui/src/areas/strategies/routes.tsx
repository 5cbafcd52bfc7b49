import { IconListDetails, IconTargetArrow } from '@tabler/icons-react';
import type { AreaRoute } from '@/app/area';

export const routes: AreaRoute[] = [
  {
    path: '/feature-groups',
    load: () => import('./groups/FeatureGroupsPage'),
    title: (t) => t.strategies.groups.title,
    nav: { section: 'features', icon: IconListDetails, order: 30 },
  },
  {
    path: '/edit-feature-group-strategy-values',
    load: () => import('./groups/FeatureGroupPage'),
    title: (t) => t.strategies.groups.open,
    under: '/feature-groups',
  },
  {
    path: '/application-strategies',
    load: () => import('./StrategiesPage'),
    title: (t) => t.strategies.title,
    nav: { section: 'features', icon: IconTargetArrow, order: 40 },
  },
  {
    path: '/create-application-strategy',
    load: () => import('./CreateStrategyPage'),
    title: (t) => t.strategies.createTitle,
    under: '/application-strategies',
  },
  {
    path: '/edit-application-strategy',
    load: () => import('./EditStrategyPage'),
    title: (t) => t.strategies.title,
    under: '/application-strategies',
  },
];
