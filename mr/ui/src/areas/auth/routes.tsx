import type { AreaRoute } from '@/app/area';

export const routes: AreaRoute[] = [
  { path: '/login', load: () => import('./Login'), title: (t) => t.auth.signInTitle, session: 'none' },
  { path: '/setup', load: () => import('./Setup'), title: (t) => t.auth.setupTitle, session: 'none' },
  { path: '/register-url', load: () => import('./Register'), title: (t) => t.auth.registerTitle, session: 'none' },
  { path: '/forgot-password', load: () => import('./Forgot'), title: (t) => t.auth.forgotTitle, session: 'none' },
  { path: '/oauth2-failure', load: () => import('./Failed'), title: (t) => t.auth.failedTitle, session: 'none' },
];
