/** The server's list of what is wrong with strategies, as texts beside the fields. */
import { Problem } from '@/api/problem';
import type { Texts } from '@/texts';
import type { StrategyViolations, Violation } from '../model/wire';

type Words = Texts['features']['strategy']['faults'];

const NAMES: Readonly<Partial<Record<Violation, keyof Words>>> = {
  no_name: 'nameMissing',
  name_too_long: 'nameLong',
  empty_match_criteria: 'empty',
  negative_percentage: 'percentage',
  percentage_over_100_percent: 'percentage',
  array_attribute_no_values: 'noValues',
  attr_missing_value: 'noValues',
  attr_missing_field_name: 'fieldName',
  attr_val_not_semantic_version: 'version',
  attr_val_not_number: 'number',
  attr_val_not_date: 'date',
  attr_val_not_date_time: 'dateTime',
  attr_val_not_cidr: 'ip',
};

export interface ViolationTexts {
  /** Strategy id → condition id (`''`: the strategy itself) → text. */
  strategies: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** About all of them together. */
  general: readonly string[];
}

/** Null when the error is no list of violations. */
export function violationTexts(words: Words, error: unknown): ViolationTexts | null {
  if (!(error instanceof Problem) || error.status !== 422 || !isViolations(error.body)) return null;
  const strategies = new Map<string, ReadonlyMap<string, string>>();
  for (const { strategy, violations } of error.body.customStategyViolations) {
    const texts = new Map<string, string>();
    for (const { id, violation } of violations) {
      texts.set(id === undefined || id === strategy.id ? '' : id, words[NAMES[violation] ?? 'other']);
    }
    strategies.set(strategy.id ?? '', texts);
  }
  for (const { strategy } of error.body.sharedStrategyViolations) {
    strategies.set(strategy.strategyId, new Map([['', words.noValues]]));
  }
  const general = error.body.violations.map((each) =>
    each === 'percentage_adds_over_100_percent' ? words.over : words.other,
  );
  return { strategies, general };
}

function isViolations(body: unknown): body is StrategyViolations {
  return typeof body === 'object' && body !== null && 'customStategyViolations' in body;
}
