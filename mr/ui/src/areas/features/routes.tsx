import { IconFlag } from '@tabler/icons-react';
import type { AreaRoute } from '@/app/area';

const load = () => import('./dashboard/Dashboard');

export const routes: AreaRoute[] = [
  {
    path: '/feature-dashboard',
    load,
    title: (t) => t.features.title,
    nav: { section: 'features', icon: IconFlag, order: 20 },
  },
  // The same screen under its other name: links to `?feature=…&environment=…` open the editor.
  { path: '/feature-values', load, title: (t) => t.features.valuesTitle, under: '/feature-dashboard' },
];
