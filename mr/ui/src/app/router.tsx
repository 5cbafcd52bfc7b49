/** Puts the areas' screens into one router: those with a session inside the frame, the others bare. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  type ErrorComponentProps,
  Outlet,
} from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { AREA_ROUTES } from '@/areas';
import { Loading } from '@/kit/Loading';
import type { AreaRoute } from './area';
import { Guarded } from './Guarded';
import { Home } from './Home';
import { Crashed, NotFound } from './notices';
import { Shell } from './Shell';

const root = createRootRoute({ component: Outlet, notFoundComponent: NotFound });
const framed = createRoute({ getParentRoute: () => root, id: 'framed', component: Shell });
const bare = createRoute({ getParentRoute: () => root, id: 'bare', component: Outlet });
const lostPath = createRoute({ getParentRoute: () => framed, path: '$', component: NotFound });
const home = createRoute({ getParentRoute: () => framed, path: '/', component: Home });

function screen(area: AreaRoute) {
  const Screen = lazy(area.load);
  const shown = (
    <Suspense fallback={<Loading />}>
      <Screen />
    </Suspense>
  );
  return createRoute({
    getParentRoute: () => (area.session === 'none' ? bare : framed),
    path: area.path,
    component: () => (area.session === 'none' ? shown : <Guarded area={area}>{shown}</Guarded>),
    errorComponent: (failed: ErrorComponentProps) => <Crashed error={failed.error} retry={failed.reset} />,
  });
}

/** The router below a base path such as `/` or `/flags/`. */
export function makeRouter(basepath: string) {
  const inside = AREA_ROUTES.filter((area) => area.session !== 'none').map(screen);
  const outside = AREA_ROUTES.filter((area) => area.session === 'none').map(screen);
  return createRouter({
    routeTree: root.addChildren([framed.addChildren([home, ...inside, lostPath]), bare.addChildren(outside)]),
    basepath,
    // Texts stay texts: `?q=1` is the text 1.
    parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
    stringifySearch(search) {
      const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== '');
      const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
      return text === '' ? '' : `?${text}`;
    },
    scrollRestoration: true,
  });
}
