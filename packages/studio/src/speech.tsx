import { type ComponentChildren, createContext } from 'preact';
import { useContext, useEffect, useMemo, useState } from 'preact/hooks';

/** The languages that the studio speaks, by their BCP 47 tags, in their own words. */
export const languages = { en: 'English', zh: '中文' } as const;
export type Language = keyof typeof languages;

/** The same keys, and functions of the same arguments, in other words. */
type Same<T> = {
  [K in keyof T]: T[K] extends (...given: infer Given) => string
    ? (...given: Given) => string
    : T[K] extends string
      ? string
      : Same<T[K]>;
};

export type Dictionary<T> = Record<Language, Same<T>>;

/** A room's words in every language; one that is missing, or too many, does not compile. */
export function dictionary<const T>(en: T, zh: Same<T>): Dictionary<T>;
export function dictionary(en: object, zh: object) {
  return { en, zh };
}

const place = 'loraloom.language';

const isLanguage = (text: unknown): text is Language => typeof text === 'string' && Object.hasOwn(languages, text);

/** The one that was chosen before, or the first of the browser's that is spoken here, or English. */
export function languageFrom(chosen: string | null, preferred: readonly string[]): Language {
  if (isLanguage(chosen)) return chosen;
  return preferred.map((tag) => tag.toLowerCase().split('-')[0]).find(isLanguage) ?? 'en';
}

const Speech = createContext<{ language: Language; speak: (language: Language) => void }>({
  language: 'en',
  speak: () => undefined,
});

/** All below speaks the visitor's language. */
export function Speaking({ children }: { children: ComponentChildren }) {
  const [language, setLanguage] = useState(() => languageFrom(localStorage.getItem(place), navigator.languages));
  useEffect(() => {
    document.documentElement.lang = language === 'zh' ? 'zh-Hans' : language;
  }, [language]);
  const speech = useMemo(
    () => ({
      language,
      speak(chosen: Language) {
        localStorage.setItem(place, chosen);
        setLanguage(chosen);
      },
    }),
    [language],
  );
  return <Speech.Provider value={speech}>{children}</Speech.Provider>;
}

export const useSpeech = () => useContext(Speech);

/** A dictionary's words in the language that is spoken. */
export const useWords = <T,>(words: Dictionary<T>): Same<T> => words[useContext(Speech).language];
