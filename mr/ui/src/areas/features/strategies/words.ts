/** Strategies in words, from the catalogue. */
import type { Texts } from '@/texts';
import { formatPercent, type ConditionDraft, type StrategyDraft } from './draft';
import { wellKnown } from './rules';

type Words = Texts['features']['strategy'];

export function fieldWords(t: Words, name: string): string {
  return t.fields[name] ?? name;
}

/** `new_zealand` → `New zealand`: choices are names, so their first letter is all that is changed. */
export function choiceWords(choice: string): string {
  const spaced = choice.replaceAll('_', ' ');
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

export function conditionWords(t: Words, condition: ConditionDraft): string {
  const choices = wellKnown(condition.fieldName)?.choices;
  const values = condition.values.map((each) => (choices?.includes(each) ? choiceWords(each) : each));
  return `${fieldWords(t, condition.fieldName)} ${t.conditionals[condition.conditional]} ${values.join(t.or)}`;
}

/** Who a strategy takes: `20 % of callers when Country is Norway, and Version is at least 2.0`. */
export function strategyWords(t: Words, draft: Pick<StrategyDraft, 'percentage' | 'conditions'>): string {
  const conditions = draft.conditions.map((each) => conditionWords(t, each)).join(t.and);
  const rest = conditions === '' ? '' : t.when(conditions);
  if (draft.percentage === null) return rest === '' ? t.everybody : `${t.everybody} ${rest}`;
  return t.shareOf(formatPercent(draft.percentage), rest);
}
