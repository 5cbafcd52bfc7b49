/** Which language is shown: chosen here and remembered, else the browser's if we have it, else English. */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { LANGUAGES, type Texts, TextsContext } from '@/texts';
import { en } from '@/texts/en';
import { remember, remembered } from './memory';

interface LanguageChoice {
  language: string;
  /** The language as the reader's country writes it: for dates and numbers. */
  locale: string;
  choose: (language: string) => void;
}

const LanguageContext = createContext<LanguageChoice>({ language: 'en', locale: 'en', choose: () => {} });

export function useLanguage(): LanguageChoice {
  return useContext(LanguageContext);
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(initial);
  const [texts, setTexts] = useState<Texts>(en);
  useEffect(() => {
    let wanted = true;
    void LANGUAGES[language]?.load().then((loaded) => {
      if (wanted) setTexts(loaded);
    });
    document.documentElement.lang = language;
    return () => {
      wanted = false;
    };
  }, [language]);
  const choice = useMemo(
    () => ({
      language,
      locale: navigator.languages.find((name) => name.split('-')[0] === language) ?? language,
      choose(next: string) {
        remember('language', next);
        setLanguage(next);
      },
    }),
    [language],
  );
  return (
    <LanguageContext value={choice}>
      <TextsContext value={texts}>{children}</TextsContext>
    </LanguageContext>
  );
}

function initial(): string {
  const wanted = [remembered('language'), ...navigator.languages.map((name) => name.split('-')[0])];
  return wanted.find((name) => name != null && name in LANGUAGES) ?? 'en';
}
