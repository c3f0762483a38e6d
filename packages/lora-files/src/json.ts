/**
 * A key that an object of the JSON text has twice, which `JSON.parse` would hide by taking the last.
 * @param text valid JSON
 */
export function repeatedKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  const structure = /["{}]/g;
  for (let found = structure.exec(text); found; found = structure.exec(text)) {
    if (found[0] === '{') open.push(new Set());
    else if (found[0] === '}') open.pop();
    else {
      const end = stringEnd(text, found.index);
      structure.lastIndex = end;
      if (!isKey(text, end)) continue;
      const name = String(JSON.parse(text.slice(found.index, end)));
      const keys = open.at(-1);
      if (keys?.has(name)) return name;
      keys?.add(name);
    }
  }
  return undefined;
}

/** Behind the closing quote of the string that begins at `start`; a regular expression would run out of stack on long ones. */
function stringEnd(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let escapes = 0;
    while (text[quote - 1 - escapes] === '\\') escapes++;
    if (escapes % 2 === 0) return quote + 1;
  }
  return text.length;
}

/** Whether a colon follows the string that ends at `end`. */
function isKey(text: string, end: number): boolean {
  let at = end;
  while (' \t\n\r'.includes(text[at] ?? '-')) at++;
  return text[at] === ':';
}
