import type { AreaRoute } from '@/app/area';

export const routes: AreaRoute[] = [];
