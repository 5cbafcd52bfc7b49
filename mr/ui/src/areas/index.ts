/** All areas. Their screens are loaded when they are first shown. */
import type { AreaRoute } from '@/app/area';
import { routes as accounts } from './accounts/routes';
import { routes as applications } from './applications/routes';
import { routes as auth } from './auth/routes';
import { routes as features } from './features/routes';
import { routes as groups } from './groups/routes';
import { routes as insight } from './insight/routes';
import { routes as people } from './people/routes';
import { routes as portfolios } from './portfolios/routes';
import { routes as strategies } from './strategies/routes';

export const AREA_ROUTES: readonly AreaRoute[] = [
  ...auth,
  ...features,
  ...applications,
  ...groups,
  ...strategies,
  ...accounts,
  ...portfolios,
  ...people,
  ...insight,
];
