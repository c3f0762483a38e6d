import { S3Error } from './error.ts';

/** An element to write: its name, then its text or its children. */
export type Written = [name: string, content: string | number | boolean | Written[]];

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** An XML document with this root. */
export function writeXml(root: string, children: Written[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${namespace}">${children.map(write).join('')}</${root}>`;
}

function write([name, content]: Written): string {
  return `<${name}>${Array.isArray(content) ? content.map(write).join('') : writeText(`${content}`)}</${name}>`;
}

function writeText(text: string): string {
  // A reader would turn a bare \r into \n.
  return text.replaceAll(/[&<>"'\r]/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** An element that was read. `text` is what stands directly in it. */
export type Element = { name: string; text: string; children: Element[] };

const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/**
 * Reads a document of elements and text: as much XML as S3's requests have. Attributes and comments are passed over; there
 * are no DTDs, so no entity can grow.
 * @throws S3Error if it is not such a document, or its root has another name
 */
export function readXml(text: string, root: string): Element {
  const document: Element = { name: '', text: '', children: [] };
  const open = [document];
  let read = 0;
  for (const match of text.matchAll(/<\?[^?]*\?>|<!--[\s\S]*?-->|<(\/?)([A-Za-z][\w.:-]*)(?:\s[^<>]*?)?(\/?)>|([^<]+)/gy)) {
    read += match[0].length;
    const [, closing, name, empty, content] = match;
    const top = open.at(-1);
    if (!top) throw malformed();
    if (content !== undefined) top.text += readText(content);
    else if (name === undefined) continue;
    else if (closing) {
      if (open.pop()?.name !== name) throw malformed();
    } else {
      const element: Element = { name, text: '', children: [] };
      top.children.push(element);
      if (!empty) open.push(element);
    }
  }
  const [found, ...more] = document.children;
  if (read !== text.length || open.length !== 1 || !found || more.length > 0 || found.name !== root) throw malformed();
  return found;
}

/** The text of an element's child, or undefined if it has none of this name. */
export function textOf(element: Element, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text;
}

function readText(text: string): string {
  return text.replaceAll(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w+));|&/gi, (_, hex, decimal, name) => {
    const character = name ? entities[name] : codePoint(hex ? Number.parseInt(hex, 16) : Number(decimal));
    if (character === undefined) throw malformed();
    return character;
  });
}

function codePoint(code: number): string | undefined {
  return code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
}

function malformed(): S3Error {
  return new S3Error(400, 'MalformedXML', 'The XML you provided was not well-formed or did not validate against our schema');
}
