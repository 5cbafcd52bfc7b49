/**
 * A rollout strategy while it is edited: the same for a value, a feature group and an application.
 *
 * Knows nothing of values: who owns the strategy adds what it serves.
 */
import type { Attribute, AttributeInput, Conditional, FieldType, Strategy, StrategyInput } from '../model/wire';

export interface ConditionDraft {
  id: string;
  fieldName: string;
  type: FieldType;
  conditional: Conditional;
  values: string[];
}

export interface StrategyDraft {
  id: string;
  name: string;
  /** In 1/10,000 of a percent, 1,000,000 = everybody; null = no share. */
  percentage: number | null;
  /** Kept as it came: these are set by other clients and cannot be edited here. */
  percentageAttributes: string[];
  conditions: ConditionDraft[];
  disabled: boolean;
  avatar: string | null;
  colouring: number | null;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** An id of four characters, which the server keeps, so that a strategy stays the same one once saved. */
export function shortId(taken: Iterable<string> = []): string {
  const avoided = new Set(taken);
  for (;;) {
    const random = crypto.getRandomValues(new Uint8Array(4));
    const made = Array.from(random, (each) => ALPHABET.charAt(each % ALPHABET.length)).join('');
    if (!avoided.has(made)) return made;
  }
}

export function newStrategy(taken: Iterable<string> = []): StrategyDraft {
  return {
    id: shortId(taken),
    name: '',
    percentage: null,
    percentageAttributes: [],
    conditions: [],
    disabled: false,
    avatar: null,
    colouring: null,
  };
}

/** Reads custom strategies, those of groups and those of applications alike. */
export function fromWire(strategy: Partial<Strategy>): StrategyDraft {
  return {
    id: strategy.id ?? shortId(),
    name: strategy.name ?? '',
    percentage: strategy.percentage ?? null,
    percentageAttributes: [...(strategy.percentageAttributes ?? [])],
    conditions: (strategy.attributes ?? []).map(conditionOf),
    disabled: strategy.disabled ?? false,
    avatar: strategy.avatar ?? null,
    colouring: strategy.colouring ?? null,
  };
}

function conditionOf(attribute: Attribute): ConditionDraft {
  return {
    id: attribute.id ?? shortId(),
    fieldName: attribute.fieldName ?? '',
    type: attribute.type ?? 'STRING',
    conditional: attribute.conditional ?? 'EQUALS',
    values: attribute.values.map(String),
  };
}

/** The wire form without a value. */
export function toWire(draft: StrategyDraft): StrategyInput {
  return {
    id: draft.id,
    name: draft.name.trim(),
    ...(draft.percentage === null ? {} : { percentage: draft.percentage }),
    percentageAttributes: draft.percentageAttributes,
    attributes: draft.conditions.map(conditionToWire),
    disabled: draft.disabled,
    ...(draft.avatar === null ? {} : { avatar: draft.avatar }),
    ...(draft.colouring === null ? {} : { colouring: draft.colouring }),
  };
}

function conditionToWire(condition: ConditionDraft): AttributeInput {
  return {
    id: condition.id,
    fieldName: condition.fieldName.trim(),
    type: condition.type,
    conditional: condition.conditional,
    values: condition.values.map((value) => ruleValue(condition, value)),
  };
}

function ruleValue(condition: ConditionDraft, value: string): unknown {
  if (condition.conditional === 'REGEX') return value;
  if (condition.type === 'BOOLEAN') return value === 'true';
  if (condition.type === 'NUMBER') {
    const number = Number(value);
    // A number that a double cannot hold goes as text, which the server reads as a decimal.
    return String(number) === value.trim() ? number : value.trim();
  }
  return value;
}

function sameTexts(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each, index) => each === other[index]);
}

/** The same to people: ids of conditions are not part of it. */
export function sameStrategy(one: StrategyDraft, other: StrategyDraft): boolean {
  return (
    one.name.trim() === other.name.trim() &&
    one.percentage === other.percentage &&
    one.disabled === other.disabled &&
    sameTexts(one.percentageAttributes, other.percentageAttributes) &&
    one.conditions.length === other.conditions.length &&
    one.conditions.every((each, index) => sameCondition(each, other.conditions[index] as ConditionDraft))
  );
}

function sameCondition(one: ConditionDraft, other: ConditionDraft): boolean {
  return (
    one.fieldName.trim() === other.fieldName.trim() &&
    one.type === other.type &&
    one.conditional === other.conditional &&
    sameTexts(one.values, other.values)
  );
}

export const EVERYBODY = 1_000_000;

/** `12.5` → 125,000; null for an empty text; NaN for what is no share. */
export function parsePercent(text: string): number | null {
  const trimmed = text.trim().replace(/%$/, '').trim();
  if (trimmed === '') return null;
  if (!/^\d{1,3}([.,]\d{0,4})?$/.test(trimmed)) return Number.NaN;
  const [whole = '0', fraction = ''] = trimmed.split(/[.,]/);
  return Number(whole) * 10_000 + Number(fraction.padEnd(4, '0'));
}

export function formatPercent(percentage: number): string {
  const whole = Math.trunc(percentage / 10_000);
  const fraction = String(percentage % 10_000)
    .padStart(4, '0')
    .replace(/0+$/, '');
  return fraction === '' ? String(whole) : `${whole}.${fraction}`;
}
