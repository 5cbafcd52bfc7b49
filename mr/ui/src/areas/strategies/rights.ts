import { applicationRoles, type Me } from '@/app/permissions';
import type { Application } from '@/api/schema';

export interface StrategyRights {
  create: boolean;
  edit: boolean;
  remove: boolean;
}

/** What somebody may do with the strategies of an application; the server decides again. */
export function strategyRights(me: Me, application: Application): StrategyRights {
  const held = applicationRoles(me, application.id, application.portfolioId);
  const all = held.has('APP_STRATEGY_EDIT_AND_DELETE');
  return {
    create: all || held.has('APP_STRATEGY_CREATE'),
    edit: all || held.has('APP_STRATEGY_EDIT'),
    remove: all,
  };
}
