import type { ApplicationRolloutStrategy, CreateApplicationRolloutStrategyInput } from '@/api/schema';
import { fromWire, type StrategyDraft, toWire } from '../features/strategies';

/** No share is stored as nothing or as 0, which mean the same. */
export function draftOf(strategy: ApplicationRolloutStrategy): StrategyDraft {
  const draft = fromWire(strategy);
  return draft.percentage === 0 ? { ...draft, percentage: null } : draft;
}

/** What is sent of an application's strategy: the server names it itself, so without an id. */
export function bodyOf(draft: StrategyDraft, storedPercentage?: number): CreateApplicationRolloutStrategyInput {
  const body = toWire(draft);
  delete body.id;
  // Absent would mean "as it is"; 0 means no share, like nothing.
  if (draft.percentage === null && storedPercentage !== undefined) body.percentage = 0;
  return body;
}
