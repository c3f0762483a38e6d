import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, type ImageView, LoraloomError, type TrainingRecord } from '@loraloom/client';
import { decodePicture } from '@loraloom/engine';
import { z } from 'zod';
import { fileContent, imageKinds, trainingKinds } from './catalogue.ts';
import { between, chance, oneOf } from './chance.ts';

type Job = ImageView | TrainingRecord;

const program = fileURLToPath(new URL('stack-process.ts', import.meta.url));
const toldSchema = z.object({ url: z.url(), apiKey: z.string(), worker: z.int() });

export interface ProcessOutcome {
  kills: Record<string, number>;
  ends: Record<string, number>;
  wrongs: string[];
}

/**
 * The programs themselves with the real engine, and real signals: rounds of two requests for pictures and a training, in each of
 * which the worker, or all that runs, is killed at random moments and started again over the same folder.
 */
export async function drillProcesses(seed: number, rounds: number, told: (line: string) => void): Promise<ProcessOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-drill-'));
  const outcome: ProcessOutcome = { kills: {}, ends: {}, wrongs: [] };
  let port = 0;
  let running: ChildProcess | undefined;
  async function start() {
    const child = fork(program, [folder, `${port}`], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    const it = toldSchema.parse((await once(child, 'message'))[0]);
    port = Number(new URL(it.url).port);
    running = child;
    return { child, ...it };
  }
  let stack = await start();
  const api = connect(stack);
  try {
    const files = await Promise.all(
      (['stripes', 'dots'] as const).map(async (name) => {
        const { id } = await api.files.upload(await fileContent(name), { name: `${name}.png`, contentType: 'image/png' });
        return id;
      }),
    );
    const ask = (key: string) => [
      () => api.images.create(imageKinds.plain.request(), { idempotencyKey: `${key} plain` }),
      () => api.images.create(imageKinds.several.request(), { idempotencyKey: `${key} several` }),
      () => api.trainings.create({ ...trainingKinds.short.request(files), steps: 30 }, { idempotencyKey: `${key} training` }),
    ];
    const finish = (work: () => Promise<Job>) =>
      insist(async () => {
        const job = await work();
        return job.object === 'image' ? api.images.wait(job) : api.trainings.wait(job);
      });
    const undisturbed = await Promise.all(ask('undisturbed').map(async (work) => resultOf(await finish(work))));

    for (let round = 1; round <= rounds; round++) {
      const jobs = ask(`round ${round}`).map(finish);
      let ended = false;
      const all = Promise.all(jobs).finally(() => {
        ended = true;
      });
      const most = between(1, 3, seed, round, 'kills');
      for (let i = 0; i < most && !ended; i++) {
        await sleep(between(100, 3000, seed, round, i, 'at'));
        const whom = oneOf(['worker', 'worker', 'all'], seed, round, i, 'whom');
        const signal = chance(seed, round, i, 'signal') < 0.6 ? 'SIGKILL' : 'SIGTERM';
        outcome.kills[`${signal} ${whom}`] = (outcome.kills[`${signal} ${whom}`] ?? 0) + 1;
        if (whom === 'worker') {
          stack.child.send('worker');
          process.kill(toldSchema.parse((await once(stack.child, 'message'))[0]).worker, signal);
        } else {
          const exited = once(stack.child, 'exit');
          if (signal === 'SIGKILL') stack.child.kill(signal);
          else stack.child.send('stop');
          await exited;
          stack = await start();
        }
      }
      for (const [i, job] of (await all).entries()) {
        outcome.ends[job.status] = (outcome.ends[job.status] ?? 0) + 1;
        const result = await resultOf(job).catch((error: unknown) => String(error));
        if (result !== undisturbed[i]) outcome.wrongs.push(`round ${round}, ${job.id} ${job.status}: ${result}`);
      }
      told(`round ${round} of ${rounds}: ${outcome.wrongs.length} anomalies`);
    }
    return outcome;
  } finally {
    const exited = running && once(running, 'exit');
    running?.send('stop');
    await exited;
    await rm(folder, { recursive: true });
  }

  /** A digest of a job's pictures, or of its LoRA's numbers. */
  async function resultOf(job: Job): Promise<string> {
    if (job.status !== 'succeeded') throw new Error(`${job.status}: ${job.error?.message}`);
    const hash = createHash('sha256');
    if (job.object === 'image') {
      const { output } = await insist(() => api.images.get(job.id));
      for (const { url } of output?.images ?? []) hash.update((await decodePicture(await download(url))).data);
      return hash.digest('hex');
    }
    const bytes = await download((await insist(() => api.loras.get(job.request.name))).url);
    const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    return hash.update(bytes.subarray(8 + header)).digest('hex');
  }
}

const download = async (url: string) => new Uint8Array(await (await fetch(url)).arrayBuffer());

/** Tries until somebody answers. */
async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof LoraloomError && (error.status === 0 || error.status >= 500))) throw error;
      await sleep(500);
    }
  }
}
