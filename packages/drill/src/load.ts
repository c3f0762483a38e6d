import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startLoaded } from './loaded.ts';

/*
 * `npm run load`: as much submitting, polling and canceling as the API takes on this machine, over loopback, for ten minutes.
 *
 *   npm run load -- --seconds 20 --clients 32
 */

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '600' }, clients: { type: 'string', default: '32' } },
});
const seconds = Number(values.seconds);
const clients = Number(values.clients);

type Kind = 'submit' | 'poll' | 'cancel';
const times: Record<Kind, number[]> = { submit: [], poll: [], cancel: [] };
const answers: Record<string, number> = {};
let pushedBack = 0;
let wrong = 0;
let end = Number.POSITIVE_INFINITY;

const api = await startLoaded();

async function call(kind: Kind, method: string, path: string, body?: object): Promise<{ id?: string; status?: string }> {
  const begun = performance.now();
  const answer = await fetch(`${api.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${api.apiKey}`, 'content-type': 'application/json' },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
  const text = await answer.text();
  times[kind].push(performance.now() - begun);
  answers[`${kind} ${answer.status}`] = (answers[`${kind} ${answer.status}`] ?? 0) + 1;
  if (answer.status === 429 || answer.status === 503) {
    pushedBack++;
    if (!answer.headers.has('retry-after')) wrong++;
  } else if (answer.status >= 500) {
    wrong++;
    console.log(`${kind}: ${answer.status} ${text.slice(0, 200)}`);
  }
  return answer.ok ? JSON.parse(text) : {};
}

/** Asks for a picture, looks at it a few times, and cancels every other one. */
async function client(number: number): Promise<void> {
  for (let i = 0; performance.now() < end; i++) {
    const request = { model: 'tiny', prompt: `picture ${i} of client ${number}`, steps: 1, seed: i };
    const { id } = await call('submit', 'POST', '/v1/images', request);
    if (id === undefined) continue;
    for (let look = 0; look < 4; look++) await call('poll', 'GET', `/v1/images/${id}`);
    if (i % 2 === 0) await call('cancel', 'POST', `/v1/images/${id}/cancel`);
  }
}

const memory: number[] = [];
end = performance.now() + seconds * 1000;
const running = Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
const every = Math.max(1000, (seconds * 1000) / 20);
while (performance.now() < end) {
  await sleep(Math.min(every, Math.max(0, end - performance.now())));
  memory.push((await api.memory()) / 2 ** 20);
}
await running;
await api.close();

const percentile = (sorted: number[], share: number) =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1);
console.log(`${clients} clients, ${seconds} s`);
for (const [kind, list] of Object.entries(times)) {
  const sorted = list.toSorted((a, b) => a - b);
  const perSecond = Math.round(list.length / seconds);
  console.log(
    `${kind.padEnd(7)} ${perSecond}/s  p50 ${percentile(sorted, 0.5)} ms  p99 ${percentile(sorted, 0.99)} ms  most ${percentile(sorted, 1)} ms`,
  );
}
console.log(answers);
console.log(`memory of the API, S3 and SQS in MiB: ${memory.map((size) => size.toFixed(0)).join(' ')}`);
console.log(`${pushedBack} pushed back, ${wrong} answers that should not have been`);
process.exitCode = wrong > 0 ? 1 : 0;
