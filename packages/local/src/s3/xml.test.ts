import { expect, test } from 'vitest';
import { S3Error } from './error.ts';
import { readXml, textOf, writeXml } from './xml.ts';

test('what was written is read back, whatever the text', () => {
  const text = `<&>"' \r\n\t ]]> &amp; 猫 🐈`;
  const xml = writeXml('Root', [
    ['Text', text],
    ['Empty', ''],
    [
      'List',
      [
        ['Item', 1],
        ['Item', true],
      ],
    ],
  ]);
  const root = readXml(xml, 'Root');
  expect([textOf(root, 'Text'), textOf(root, 'Empty'), textOf(root, 'Missing')]).toEqual([text, '', undefined]);
  expect(root.children[2]?.children.map((item) => item.text)).toEqual(['1', 'true']);
});

test('attributes, comments, declarations and every kind of entity', () => {
  const xml = '<?xml version="1.0"?><!-- <a> --><a b="c"><d e=\'f\' />&lt;&#65;&#x1F408;&apos;<!-- x --></a>';
  expect(readXml(xml, 'a')).toMatchObject({ text: "<A\u{1F408}'", children: [{ name: 'd', text: '' }] });
});

test.each([
  '',
  'text',
  '<a>',
  '</a>',
  '<a></b>',
  '<a><b></a></b>',
  '<a/><a/>',
  '<b/>',
  '<a>&unknown;</a>',
  '<a>& </a>',
  '<a>&#x110000;</a>',
  '<a',
  '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
  '<a><</a>',
])('refused: %s', (xml) => {
  expect(() => readXml(xml, 'a')).toThrow(S3Error);
});

test('a long tag that never ends is refused at once', () => {
  const started = Date.now();
  for (const xml of [`<${'a'.repeat(5e6)}`, `<a ${' '.repeat(5e6)}`, '<a'.repeat(2e6), '&'.repeat(5e6)]) {
    expect(() => readXml(xml, 'a')).toThrow(S3Error);
  }
  // In linear time that is a second or two on a busy machine; in quadratic time, hours.
  expect(Date.now() - started).toBeLessThan(20_000);
});
