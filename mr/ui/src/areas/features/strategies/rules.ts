/**
 * What conditions can be: fields that SDKs know, the types they have, which comparisons fit a type, and
 * what a value of a type looks like.
 *
 * The same rules as the server's, so that most mistakes are told while typing; the server's answer wins.
 */
import type { Conditional, FieldType } from '../model/wire';
import { EVERYBODY, type ConditionDraft, type StrategyDraft } from './draft';

export interface WellKnownField {
  name: string;
  type: FieldType;
  choices: readonly string[] | null;
}

export const DEVICES = ['browser', 'mobile', 'desktop', 'server', 'watch', 'embedded'] as const;
export const PLATFORMS = ['linux', 'windows', 'macos', 'android', 'ios'] as const;
export const COUNTRIES: readonly string[] = `
  afghanistan albania algeria andorra angola antigua_and_barbuda argentina armenia australia austria
  azerbaijan the_bahamas bahrain bangladesh barbados belarus belgium belize benin bhutan bolivia
  bosnia_and_herzegovina botswana brazil brunei bulgaria burkina_faso burundi cabo_verde cambodia cameroon
  canada central_african_republic chad chile china colombia comoros congo_democratic_republic_of_the
  congo_republic_of_the costa_rica cote_divoire croatia cuba cyprus czech_republic denmark djibouti dominica
  dominican_republic east_timor ecuador egypt el_salvador equatorial_guinea eritrea estonia eswatini
  ethiopia fiji finland france gabon the_gambia georgia germany ghana greece grenada guatemala guinea
  guinea_bissau guyana haiti honduras hungary iceland india indonesia iran iraq ireland israel italy jamaica
  japan jordan kazakhstan kenya kiribati korea_north korea_south kosovo kuwait kyrgyzstan laos latvia
  lebanon lesotho liberia libya liechtenstein lithuania luxembourg madagascar malawi malaysia maldives mali
  malta marshall_islands mauritania mauritius mexico micronesia_federated_states_of moldova monaco mongolia
  montenegro morocco mozambique myanmar namibia nauru nepal netherlands new_zealand nicaragua niger nigeria
  north_macedonia norway oman pakistan palau panama papua_new_guinea paraguay peru philippines poland
  portugal qatar romania russia rwanda saint_kitts_and_nevis saint_lucia saint_vincent_and_the_grenadines
  samoa san_marino sao_tome_and_principe saudi_arabia senegal serbia seychelles sierra_leone singapore
  slovakia slovenia solomon_islands somalia south_africa spain sri_lanka sudan sudan_south suriname sweden
  switzerland syria taiwan tajikistan tanzania thailand togo tonga trinidad_and_tobago tunisia turkey
  turkmenistan tuvalu uganda ukraine united_arab_emirates united_kingdom united_states uruguay uzbekistan
  vanuatu vatican_city venezuela vietnam yemen zambia zimbabwe
`
  .trim()
  .split(/\s+/);

export const WELL_KNOWN: readonly WellKnownField[] = [
  { name: 'country', type: 'STRING', choices: COUNTRIES },
  { name: 'device', type: 'STRING', choices: DEVICES },
  { name: 'platform', type: 'STRING', choices: PLATFORMS },
  { name: 'version', type: 'SEMANTIC_VERSION', choices: null },
  { name: 'userkey', type: 'STRING', choices: null },
];

export function wellKnown(name: string): WellKnownField | undefined {
  return WELL_KNOWN.find((each) => each.name === name);
}

export const FIELD_TYPES: readonly FieldType[] = [
  'STRING',
  'NUMBER',
  'BOOLEAN',
  'DATE',
  'DATETIME',
  'SEMANTIC_VERSION',
  'IP_ADDRESS',
];

const ORDERED: readonly Conditional[] = ['EQUALS', 'NOT_EQUALS', 'LESS', 'LESS_EQUALS', 'GREATER', 'GREATER_EQUALS'];
const CONDITIONALS: Readonly<Record<FieldType, readonly Conditional[]>> = {
  STRING: [
    'EQUALS',
    'NOT_EQUALS',
    'INCLUDES',
    'EXCLUDES',
    'STARTS_WITH',
    'ENDS_WITH',
    'REGEX',
    'LESS',
    'LESS_EQUALS',
    'GREATER',
    'GREATER_EQUALS',
  ],
  NUMBER: [...ORDERED, 'INCLUDES', 'EXCLUDES'],
  BOOLEAN: ['EQUALS', 'NOT_EQUALS'],
  DATE: [...ORDERED, 'INCLUDES', 'EXCLUDES', 'STARTS_WITH', 'ENDS_WITH', 'REGEX'],
  DATETIME: [...ORDERED, 'INCLUDES', 'EXCLUDES', 'STARTS_WITH', 'ENDS_WITH', 'REGEX'],
  SEMANTIC_VERSION: ORDERED,
  IP_ADDRESS: ['EQUALS', 'NOT_EQUALS', 'INCLUDES', 'EXCLUDES'],
};

const CHOICE_CONDITIONALS: readonly Conditional[] = ['EQUALS', 'NOT_EQUALS'];

/** Comparisons of a type; a field with fixed choices only has those that make sense for a choice. */
export function conditionalsOf(condition: ConditionDraft): readonly Conditional[] {
  const offered = wellKnown(condition.fieldName)?.choices == null ? CONDITIONALS[condition.type] : CHOICE_CONDITIONALS;
  // What another client has set stays selectable.
  return offered.includes(condition.conditional) ? offered : [...offered, condition.conditional];
}

/** A changed condition made consistent: a comparison that its type does not have becomes the first one. */
export function settled(condition: ConditionDraft): ConditionDraft {
  const field = wellKnown(condition.fieldName);
  const type = field?.type ?? condition.type;
  const offered = field?.choices == null ? CONDITIONALS[type] : CHOICE_CONDITIONALS;
  const conditional = offered.includes(condition.conditional) ? condition.conditional : 'EQUALS';
  return { ...condition, type, conditional };
}

export type ConditionFault = 'fieldName' | 'noValues' | 'number' | 'date' | 'dateTime' | 'version' | 'ip' | 'regex';

export function conditionFault(condition: ConditionDraft): ConditionFault | null {
  if (condition.fieldName.trim() === '') return 'fieldName';
  if (condition.values.length === 0) return 'noValues';
  if (condition.conditional === 'REGEX') return condition.values.every(isPattern) ? null : 'regex';
  const check = CHECKS[condition.type];
  return check === undefined || condition.values.every(check.fits) ? null : check.fault;
}

function isPattern(text: string): boolean {
  try {
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

const CHECKS: Partial<Record<FieldType, { fits: (text: string) => boolean; fault: ConditionFault }>> = {
  NUMBER: { fits: (text) => /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()), fault: 'number' },
  DATE: { fits: isDate, fault: 'date' },
  DATETIME: { fits: isMoment, fault: 'dateTime' },
  SEMANTIC_VERSION: { fits: (text) => /^\d+[0-9A-Za-z]*(?:[.+-]+[0-9A-Za-z]+)*$/.test(text.trim()), fault: 'version' },
  IP_ADDRESS: { fits: isNetwork, fault: 'ip' },
};

function isDate(text: string): boolean {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text.trim());
  if (found === null) return false;
  const moment = new Date(`${text.trim()}T00:00:00Z`);
  return !Number.isNaN(moment.getTime()) && moment.getUTCDate() === Number(found[3]);
}

function isMoment(text: string): boolean {
  return (
    /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})$/i.test(text.trim()) &&
    isDate(text.trim().slice(0, 10))
  );
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...rest] = text.trim().split('/');
  if (rest.length > 0) return false;
  const v4 = /^(\d{1,3})(\.\d{1,3}){3}$/.test(address) && address.split('.').every((each) => Number(each) <= 255);
  const v6 = !v4 && /^[0-9a-f:.]+$/i.test(address) && address.includes(':');
  if (!v4 && !v6) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (v4 ? 32 : 128));
}

export interface StrategyFault {
  name: 'missing' | 'long' | null;
  percentage: 'range' | null;
  /** Neither a share nor a condition: it would match nobody and everybody. */
  empty: boolean;
  conditions: ReadonlyMap<string, ConditionFault>;
}

export function strategyFault(draft: StrategyDraft): StrategyFault | null {
  const name = draft.name.trim();
  const conditions = new Map<string, ConditionFault>();
  for (const each of draft.conditions) {
    const fault = conditionFault(each);
    if (fault !== null) conditions.set(each.id, fault);
  }
  const found: StrategyFault = {
    name: name === '' ? 'missing' : name.length > 200 ? 'long' : null,
    percentage: draft.percentage !== null && !(draft.percentage >= 0 && draft.percentage <= EVERYBODY) ? 'range' : null,
    empty: draft.percentage === null && draft.conditions.length === 0,
    conditions,
  };
  const clean = found.name === null && found.percentage === null && !found.empty && conditions.size === 0;
  return clean ? null : found;
}

/** Shares of strategies without conditions add up to more than everybody. */
export function exceedsEverybody(strategies: readonly StrategyDraft[]): boolean {
  const plain = strategies.filter((each) => each.conditions.length === 0);
  return plain.reduce((sum, each) => sum + Math.max(0, each.percentage ?? 0), 0) > EVERYBODY;
}
