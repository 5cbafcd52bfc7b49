/** Values in words. */
import { type Texts, useTexts } from '@/texts';
import type { FeatureType, Served } from './wire';

export function valueWords(t: Texts, type: FeatureType, served: Served): string {
  const words = t.features.values;
  if (served === null) return words.none;
  if (type === 'BOOLEAN') return served === true ? words.on : words.off;
  return served === '' ? words.empty : String(served);
}

export function useValueWords(): (type: FeatureType, served: Served) => string {
  const t = useTexts();
  return (type, served) => valueWords(t, type, served);
}
