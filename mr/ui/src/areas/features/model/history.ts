/** Recorded versions as drafts, and as documents that can be compared line by line. Pure. */
import { formatJson } from '@/kit/json';
import type { Texts } from '@/texts';
import { conditionWords } from '../strategies/words';
import { formatPercent } from '../strategies/draft';
import { customOf, type Draft } from './draft';
import type { Rights } from './rights';
import { fromWire } from './served';
import type { FeatureType, HistoryItem } from './wire';
import { valueWords } from './words';

export interface Restored {
  draft: Draft;
  /** Names of application strategies that are not there any more. */
  leftOut: string[];
}

/** History shows the use of an application's strategy under its short code, which begins with this. */
const OF_APPLICATION = '@';

/** `codes`: short code → id of the application's strategies of today. */
export function draftOfHistory(type: FeatureType, item: HistoryItem, codes: ReadonlyMap<string, string>): Restored {
  const shared = item.rolloutStrategies.filter((each) => each.id?.startsWith(OF_APPLICATION) === true);
  const custom = item.rolloutStrategies.filter((each) => !shared.includes(each));
  const found = shared.map((each) => ({ each, strategyId: codes.get(each.id ?? '') }));
  return {
    draft: {
      locked: item.locked,
      retired: item.retired,
      value: fromWire(type, item.value),
      custom: custom.map((each) => customOf(type, each)),
      uses: found.map(({ each, strategyId }) => ({
        // Without an id of today it still tells versions apart; who restores leaves it out.
        strategyId: strategyId ?? each.id ?? '',
        name: each.name ?? '',
        value: fromWire(type, each.value),
        disabled: each.disabled,
      })),
    },
    leftOut: found.filter(({ strategyId }) => strategyId === undefined).map(({ each }) => each.name ?? ''),
  };
}

/**
 * The draft that can be saved today: without what is no longer there, and with a lock only where that lets the
 * rest be restored, too.
 */
export function restorable(draft: Draft, stored: Draft, rights: Rights): Draft {
  return {
    ...draft,
    locked: draft.locked && !stored.locked && rights.lock,
    uses: draft.uses.filter((each) => !each.strategyId.startsWith(OF_APPLICATION)),
  };
}

/** A version as a text of lines. */
export function documentOf(t: Texts, type: FeatureType, item: HistoryItem): string {
  const g = t.features.grid;
  const served = fromWire(type, item.value);
  const value = type === 'JSON' && served !== null ? formatJson(String(served)) : valueWords(t, type, served);
  const lines = [`${t.features.editor.defaultValue}: ${value}`, item.locked ? g.locked : g.unlocked];
  if (item.retired) lines.push(g.retired);
  for (const each of item.rolloutStrategies) {
    const strategy = customOf(type, each);
    lines.push(`${strategy.name}: ${g.serves(valueWords(t, type, strategy.value))}`);
    if (strategy.percentage !== null)
      lines.push(`  ${t.features.strategy.shareOf(formatPercent(strategy.percentage), '')}`);
    for (const condition of strategy.conditions) lines.push(`  ${conditionWords(t.features.strategy, condition)}`);
  }
  return lines.join('\n');
}
