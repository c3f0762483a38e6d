/*
 * Texts are compared as they look, not as they are spelled: words of the lists and texts alike are folded to one spelling
 * (a skeleton, as in Unicode's UTS #39), so that `ｐｏｒｎ`, `рorn` with a Cyrillic letter and `p͟o͟r͟n` are the same word.
 */

/** Marks that decorate or break up letters; those that are vowels (Thai, Devanagari) or make another letter (が) stay. */
const decorations = /[[\p{Script=Inherited}\p{Cf}\u0591-\u05bd\u0640]--[\u0303\u3099\u309a]]|(?<!n)\u0303/gv;

/** What looks alike, each group under its first letter. */
const alike = `aаαɑᴀꭺ bвβвʙь cсϲᴄꮯ dԁᴅđ eеεєᴇҽ fғꜰƒ gɡɢց hнһհʜ iіιıɩɪ jјᴊ kкκᴋ lӏłʟǀ mмᴍ nпηոɴ oоοօσᴏøθ pрρᴘ qԛզ rгʀ sѕꜱ tтτᴛ uυսᴜμ vνѵᴠ wԝωᴡш xхχ yуγʏү zᴢ`;

const looks = new Map<string, string>();
for (const [first = '', ...others] of alike.split(' ').map((group) => [...group])) {
  for (const other of others) if (!looks.has(other) && other !== first) looks.set(other, first);
}
// Letters in boxes and flags, which have no compatible plain letter in Unicode.
for (const start of [0x1f130, 0x1f150, 0x1f170, 0x1f1e6]) {
  for (let i = 0; i < 26; i++) looks.set(String.fromCodePoint(start + i), String.fromCharCode(0x61 + i));
}
for (const [from, to] of Object.entries({ ß: 'ss', æ: 'ae', œ: 'oe', ي: 'ی', ى: 'ی', ك: 'ک', ة: 'ه', ؤ: 'و', '’': "'" }))
  looks.set(from, to);

/** A text in its one spelling; characters may become fewer or more. */
export function fold(text: string): string {
  const plain = text.normalize('NFKC').toLowerCase().normalize('NFD').replace(decorations, '').normalize('NFC');
  let folded = '';
  for (const character of plain) {
    const code = character.codePointAt(0) ?? 0;
    // Katakana as hiragana.
    if (code >= 0x30a1 && code <= 0x30f6) folded += String.fromCodePoint(code - 0x60);
    else folded += looks.get(character) ?? character;
  }
  return folded;
}

/** Spaces of all kinds, and what joins words, as one space each, so that `self-harm`, `self_harm` and `self  harm` are two words. */
export const spaced = (folded: string): string => folded.replace(/[\s\-_/'‐-―]+/g, ' ');

/** Letters that digits and signs stand for, but for those that are drawn as one stroke. */
const leet = new Map(
  Object.entries({
    0: 'o',
    3: 'e',
    4: 'a',
    5: 's',
    7: 't',
    8: 'b',
    9: 'g',
    '@': 'a',
    $: 's',
    '€': 'e',
    '¢': 'c',
    '¥': 'y',
    '+': 't',
  }),
);

/**
 * Digits and signs within a folded word as the letters they stand for: `s3x`, `@nal`, `a$$`; not whole numbers, nor an
 * exclamation mark at a word's end.
 * @param stroke what `1`, `!`, `|` and `£` stand for
 */
export const unleet = (folded: string, stroke: 'i' | 'l'): string =>
  folded.replace(/[\p{L}\d@$|€£¢¥]+(?:[!+]+[\p{L}\d@$|€£¢¥]+)*/gu, (word) =>
    /\p{L}/u.test(word) && /[^\p{L}]/u.test(word)
      ? word.replace(/[^\p{L}]/gu, (sign) => leet.get(sign) ?? (/[1!|£]/.test(sign) ? stroke : sign))
      : word,
  );
