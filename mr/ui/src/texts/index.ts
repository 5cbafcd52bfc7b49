/**
 * Every visible text. English is the pattern: another language is a folder beside `en` with the same members,
 * checked by the compiler, and a line in `LANGUAGES`. Texts with parameters are functions.
 */
import { createContext, useContext } from 'react';
import { en } from './en';

export type Texts = typeof en;

export interface Language {
  /** Its name in itself. */
  name: string;
  load: () => Promise<Texts>;
}

export const LANGUAGES: Readonly<Record<string, Language>> = {
  en: { name: 'English', load: async () => en },
};

export const TextsContext = createContext<Texts>(en);

export function useTexts(): Texts {
  return useContext(TextsContext);
}
