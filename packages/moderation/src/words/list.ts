/** Words of one kind, by language (BCP 47), separated by `|`. `*` at an end says that the word may go on there: `porn*`. */
export type WordList = Readonly<Record<string, string>>;

/**
 * Every text is searched for the words of every language, since nobody says which one it is in and words are mixed. A word that
 * is harmless in another language is therefore left out, or stands in a phrase: Swedish `kurva` is a curve, Turkish `sık` is
 * `often`, Dutch `nu` is `now`.
 */
export interface Words {
  /** Says it all by itself: score 1. */
  certain: WordList;
  /** Means it more often than not, score 0.5: two of them, or one said of a person, are enough. */
  likely?: WordList;
  /** A tone that only many of its kind, or a child beside it, make into something: score 0.3. */
  faint?: WordList;
  /** Harmless as it stands, in some language, but nobody disguises it for that: `slut` is Swedish for `end`, `s1ut` is not. */
  veiled?: WordList;
}
