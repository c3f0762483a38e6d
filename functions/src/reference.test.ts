import { expect, test } from 'vitest';
import { referencePage } from './reference.ts';
import { testApp } from './test-app.ts';

test('/docs has every route and schema of the description, links that lead somewhere, and no script', async () => {
  const { app } = await testApp();
  const answer = await app.request('/docs');
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
  const page = await answer.text();
  const { paths, components } = await (await app.request('/openapi.json')).json();
  for (const [path, methods] of Object.entries<object>(paths)) {
    for (const method of Object.keys(methods))
      expect(page).toContain(`<b class="${method.toUpperCase()}">${method.toUpperCase()}</b> ${path}</h2>`);
  }
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).toEqual(expect.arrayContaining(Object.keys(components.schemas).map((name) => `schema-${name}`)));
  for (const [, to] of page.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(to);
  expect(page).not.toMatch(/<(?:script|link|img|iframe)/);
  expect(page).toContain('red apple, blue background');
});

test('what a description says is text, whatever is in it', async () => {
  const page = await referencePage({
    info: { title: '<b>Loom</b>' },
    paths: { '/a': { get: { summary: '<script>alert(1)</script>', responses: { 200: { description: '&' } } } } },
    components: { schemas: {} },
  });
  expect(`${page}`).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  expect(`${page}`).toContain('<b>200</b> &amp;');
});
