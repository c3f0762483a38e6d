import { html } from 'hono/html';

type Html = ReturnType<typeof html>;

/** What is shown of a schema; JSON Schema has far more, of which the API uses little. */
interface Shape {
  $ref?: string;
  type?: string | string[];
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  items?: Shape;
  properties?: Record<string, Shape>;
  required?: string[];
  anyOf?: Shape[];
  minimum?: number;
  maximum?: number;
}
type Content = Record<string, { schema?: Shape; example?: unknown }>;
interface Operation {
  summary?: string;
  description?: string;
  security?: Record<string, string[]>[];
  parameters?: { name: string; in: string; required?: boolean; schema?: Shape }[];
  requestBody?: { content: Content };
  responses?: Record<string, { description?: string; content?: Content }>;
}
/** What is shown of an OpenAPI 3.1 document. */
export interface Description {
  info: { title: string; description?: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Shape> };
}

/**
 * The API's description as a page: every route with its fields and examples. It has no script and asks nobody for anything.
 */
export function referencePage({ info, paths, components }: Description): Html {
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ verb: method.toUpperCase(), path, operation })),
  );
  const idOf = (verb: string, path: string) => `${verb}${path}`.replaceAll(/[^\w]+/g, '-').toLowerCase();
  return html`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${info.title}: the API</title><style>${style}</style>
<nav aria-label="Routes"><strong>${info.title}</strong>${routes.map(
    ({ verb, path }) => html`<a href="#${idOf(verb, path)}"><b class="${verb}">${verb}</b> ${path}</a>`,
  )}<strong>Schemas</strong>${Object.keys(components.schemas).map((name) => html`<a href="#schema-${name}">${name}</a>`)}</nav>
<main><h1>The API of ${info.title}</h1><p>${info.description} For programs: <a href="/openapi.json">/openapi.json</a>.</p>${routes.map(
    ({ verb, path, operation }) => html`<section id="${idOf(verb, path)}"><h2><b class="${verb}">${verb}</b> ${path}</h2>
<p><strong>${operation.summary}.</strong> ${operation.description}</p>${scopesOf(operation)}${parametersOf(operation)}${bodyOf(operation)}${answersOf(operation)}</section>`,
  )}<h1>Schemas</h1>${Object.entries(components.schemas).map(
    ([name, shape]) => html`<section id="schema-${name}"><h2>${name}</h2>${fieldsOf(shape)}</section>`,
  )}</main></html>`;
}

function scopesOf({ security = [] }: Operation) {
  const scopes = security.flatMap((one) => Object.values(one).flat());
  return scopes.length === 0
    ? html`<p>Open to everybody.</p>`
    : html`<p>Scope: ${scopes.map((scope, i) => html`${i > 0 ? ' or ' : ''}<code>${scope}</code>`)}</p>`;
}

function parametersOf({ parameters = [] }: Operation) {
  if (parameters.length === 0) return '';
  return table(
    parameters.map(({ name, in: where, required = false, schema = {} }) => ({ name: `${name} (${where})`, required, schema })),
  );
}

function bodyOf({ requestBody }: Operation) {
  return Object.entries(requestBody?.content ?? {}).map(
    ([type, { schema = {}, example }]) =>
      html`<h3>Body: ${typeOf(schema)} <small>${type}</small></h3>${schema.$ref ? '' : fieldsOf(schema)}${exampleOf(example)}`,
  );
}

function answersOf({ responses = {} }: Operation) {
  return html`<h3>Answers</h3>${Object.entries(responses).map(([status, { description, content = {} }]) => {
    const [first] = Object.values(content);
    return html`<details><summary><b>${status}</b> ${description} ${first?.schema ? typeOf(first.schema) : ''}</summary>${exampleOf(first?.example)}</details>`;
  })}`;
}

function exampleOf(example: unknown) {
  return example === undefined ? '' : html`<pre>${JSON.stringify(example, null, 2)}</pre>`;
}

function fieldsOf({ properties, required = [], anyOf: choices, ...shape }: Shape): Html | string {
  if (choices) return html`${choices.map((choice, i) => html`<p>${i > 0 ? 'or ' : ''}${typeOf(choice)}</p>${fieldsOf(choice)}`)}`;
  if (!properties) return shape.$ref ? '' : html`<p>${typeOf(shape)}</p>`;
  return table(Object.entries(properties).map(([name, schema]) => ({ name, required: required.includes(name), schema })));
}

function table(rows: { name: string; required: boolean; schema: Shape }[]) {
  return html`<table>${rows.map(
    ({
      name,
      required,
      schema,
    }) => html`<tr><th scope="row"><code>${name}</code>${required ? '' : html`<small> optional</small>`}</th>
<td>${typeOf(schema)}${boundsOf(schema)}<p>${schema.description ?? ''}</p></td></tr>`,
  )}</table>`;
}

function typeOf({ $ref, type, enum: values, const: only, items, anyOf: choices }: Shape): Html | string {
  const name = $ref?.split('/').at(-1);
  if (name !== undefined) return html`<a href="#schema-${name}">${name}</a>`;
  if (only !== undefined) return html`<code>${JSON.stringify(only)}</code>`;
  if (values) return html`<code>${values.map((value) => JSON.stringify(value)).join(' | ')}</code>`;
  if (choices) return html`${choices.map((choice, i) => html`${i > 0 ? ' or ' : ''}${typeOf(choice)}`)}`;
  if (items) return html`list of ${typeOf(items)}`;
  return [type ?? 'anything'].flat().join(' or ');
}

function boundsOf({ minimum, maximum, default: usual }: Shape) {
  return [
    minimum !== undefined && minimum > Number.MIN_SAFE_INTEGER ? `, at least ${minimum}` : '',
    maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER ? `, at most ${maximum}` : '',
    usual === undefined ? '' : `, default ${JSON.stringify(usual)}`,
  ].join('');
}

const style = `:root{color-scheme:light dark}body{margin:auto;max-width:52rem;padding:1rem;font:16px/1.5 system-ui}
nav{columns:20rem;font-size:.8rem}nav a,nav strong{display:block}h2,td,th,a{overflow-wrap:anywhere}section{border-top:1px solid #8886;padding:1rem 0}
table{border-collapse:collapse;width:100%}tr{border-top:1px solid #8886}th,td{text-align:left;vertical-align:top;padding:.4rem}th{width:35%}td p{margin:0;opacity:.8}
pre{background:#8882;padding:1rem;overflow:auto}`;
