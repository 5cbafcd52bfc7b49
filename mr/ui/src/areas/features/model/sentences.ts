/** What a change does, in sentences of the catalogue. */
import { compactJson } from '@/kit/json';
import type { Texts } from '@/texts';
import { strategyWords } from '../strategies/words';
import { type CustomDraft, type Draft, sameCustom, type UseDraft } from './draft';
import { changesOf, type Part } from './merge';
import { sameServed } from './served';
import type { FeatureType, Served } from './wire';
import { valueWords } from './words';

const LONGEST = 80;

export interface Sentence {
  id: string;
  text: string;
  /** Long values, to be shown line by line. */
  diff?: { before: string; after: string };
}

export function sentences(t: Texts, type: FeatureType, before: Draft, after: Draft): Sentence[] {
  return changesOf(type, before, after).flatMap((part) => ofPart(t, type, part));
}

function ofPart(t: Texts, type: FeatureType, part: Part): Sentence[] {
  const words = t.features.changes;
  const one = (text: string): Sentence[] => [{ id: part.id, text }];
  switch (part.kind) {
    case 'value':
      return valueSentence(t, type, part);
    case 'locked':
      return one(part.mine === true ? words.lock : words.unlock);
    case 'retired':
      return one(part.mine === true ? words.retire : words.unretire);
    case 'custom':
      return customSentences(t, type, part);
    case 'use':
      return sentencesOfUse(t, type, part);
    case 'customOrder':
      return one(words.order);
    case 'useOrder':
      return one(words.useOrder);
  }
}

function valueSentence(t: Texts, type: FeatureType, part: Part): Sentence[] {
  const [before, after] = [part.base as Served, part.mine as Served];
  const text = t.features.changes.value(short(t, type, before), short(t, type, after));
  const long = (value: Served) => typeof value === 'string' && (value.length > LONGEST || value.includes('\n'));
  if (!long(before) && !long(after)) return [{ id: part.id, text }];
  return [{ id: part.id, text, diff: { before: String(before ?? ''), after: String(after ?? '') } }];
}

function short(t: Texts, type: FeatureType, value: Served): string {
  const text = type === 'JSON' && value !== null ? compactJson(String(value)) : valueWords(t, type, value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

function customSentences(t: Texts, type: FeatureType, part: Part): Sentence[] {
  const words = t.features.changes;
  const [before, after] = [part.base as CustomDraft | undefined, part.mine as CustomDraft | undefined];
  const said = (suffix: string, text: string): Sentence => ({ id: `${part.id}${suffix}`, text });
  if (before === undefined && after !== undefined) {
    const who = strategyWords(t.features.strategy, after);
    return [said('', words.strategyAdded(after.name, who, short(t, type, after.value)))];
  }
  if (before === undefined || after === undefined) return [said('', words.strategyRemoved(before?.name ?? ''))];
  const found: Sentence[] = [];
  if (before.name !== after.name) found.push(said(':name', words.strategyName(before.name, after.name)));
  if (!sameServed(type, before.value, after.value)) {
    found.push(
      said(':value', words.strategyValue(after.name, short(t, type, before.value), short(t, type, after.value))),
    );
  }
  const [was, is] = [strategyWords(t.features.strategy, before), strategyWords(t.features.strategy, after)];
  if (was !== is) found.push(said(':words', words.strategyWords(after.name, was, is)));
  if (found.length === 0 && !sameCustom(type, before, after)) found.push(said('', words.strategyChanged(after.name)));
  return found;
}

function sentencesOfUse(t: Texts, type: FeatureType, part: Part): Sentence[] {
  const words = t.features.changes;
  const [before, after] = [part.base as UseDraft | undefined, part.mine as UseDraft | undefined];
  const text =
    before === undefined
      ? words.useAdded(after?.name ?? '', short(t, type, after?.value ?? null))
      : after === undefined
        ? words.useRemoved(before.name)
        : words.useValue(after.name, short(t, type, before.value), short(t, type, after.value));
  return [{ id: part.id, text }];
}
