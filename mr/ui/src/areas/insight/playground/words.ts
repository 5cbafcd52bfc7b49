/** What became of features and rules, in words of the catalogue. Pure. */
import type { EvaluatedCondition, EvaluatedFeature, EvaluatedRule } from '@/api/schema';
import type { Texts } from '@/texts';

type Words = Texts['insight']['playground'];

/** A value as it is read: on and off, numbers and texts as they are. */
export function valueWords(value: unknown, t: Words): string {
  if (value === undefined || value === null) return t.noValue;
  if (value === true) return t.on;
  if (value === false) return t.off;
  if (value === '') return t.emptyText;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

export function ruleName(rule: EvaluatedRule, t: Words): string {
  return rule.name ?? rule.ownerName ?? (rule.id === '' ? t.unnamed : rule.id);
}

/** One line on why a feature is what it is. */
export function reasonWords(feature: EvaluatedFeature, t: Words): string {
  if (feature.reason === 'DISABLED') return t.reasons.retired;
  if (feature.reason === 'ERROR') return t.reasons.error;
  const decided = feature.rules.find((rule) => rule.outcome === 'MATCHED');
  if (decided !== undefined) return t.reasons.rule(ruleName(decided, t));
  return feature.rules.length === 0 ? t.reasons.noRules : t.reasons.noneMatched(feature.rules.length);
}

/** One line on what became of a rule. */
export function outcomeWords(rule: EvaluatedRule, t: Words): string {
  if (rule.outcome === 'ERROR') return t.outcomes.ERROR(rule.fault ?? '');
  if (rule.outcome === 'ATTRIBUTE_MISMATCH') {
    const missing = rule.conditions.find((each) => each.fieldName === rule.field)?.given === undefined;
    return missing ? t.outcomes.missing(rule.field ?? '') : t.outcomes.mismatch(rule.field ?? '');
  }
  return t.outcomes[rule.outcome];
}

/** What a condition was given. */
export function givenWords(condition: EvaluatedCondition, t: Words): string {
  if (condition.present) return t.present;
  if (condition.given === undefined) return t.notGiven;
  return condition.given.length === 0 ? t.emptyText : condition.given.join(', ');
}

const MILLION = 1_000_000;

/** Of 1,000,000 as a percentage, with as many digits as it has. */
export function percent(share: number): string {
  return `${Number(((share / MILLION) * 100).toFixed(4))} %`;
}
