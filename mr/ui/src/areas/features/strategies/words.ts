/** Strategies in words, from the catalogue. */
import type { Texts } from '@/texts';
import { formatPercent, type ConditionDraft, type StrategyDraft } from './draft';
import { wellKnown } from './rules';

type Words = Texts['features']['strategy'];

export function fieldWords(t: Words, name: string): string {
  return t.fields[name] ?? name;
}

const SMALL = new Set(['and', 'of', 'the']);

/** `new_zealand` → `New Zealand`: choices are names. */
export function choiceWords(choice: string): string {
  return choice
    .split('_')
    .map((word, index) => (index > 0 && SMALL.has(word) ? word : word.charAt(0).toUpperCase() + word.slice(1)))
    .join(' ');
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
