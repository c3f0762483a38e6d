#!/usr/bin/env node
import { parseArgs } from 'node:util';
import { connect, LoraloomError } from '@loraloom/client';
import { InputError } from '@loraloom/engine';
import { RequestError } from '@loraloom/jobs';
import { check, describe } from './check.ts';
import { UserError } from './error.ts';
import { describeLora, inspect } from './inspect.ts';
import { progressLine } from './progress-line.ts';
import { readSettings } from './settings.ts';
import { submit } from './submit.ts';
import { train } from './train.ts';
import { type LocalTraining, openTraining } from './training.ts';

const help = `loraloom trains LoRAs of Stable Diffusion on this machine.

  loraloom train --config my.yaml [--resume]   train what the file says; writes into its output_dir
  loraloom check --config my.yaml [--json]     look over pictures, captions and length without training
  loraloom submit --config my.yaml [--url URL] the same training on a server; the LoRA comes into output_dir
  loraloom inspect FILE.safetensors [--json]   say what a LoRA holds, and whether it can be used

  --config   settings as lora-scripts has them; docs/training.md lists them all
  --resume   go on from the checkpoint in output_dir, if there is one
  --json     for programs
  --url      of the server, default http://localhost:8080; its API key is taken from LORALOOM_API_KEY

Paths in the file are taken from the folder that you are in. Ctrl-C leaves a checkpoint to resume from.`;

const options = {
  config: { type: 'string' },
  resume: { type: 'boolean' },
  json: { type: 'boolean' },
  url: { type: 'string', default: 'http://localhost:8080' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Runs a command line. @returns the exit code */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  const [command, ...rest] = positionals;
  if (values.help || command === undefined) {
    console.log(help);
    return command === undefined && !values.help ? 2 : 0;
  }
  if (command === 'inspect' && rest.length === 1) return report(rest[0] ?? '', values.json ?? false);
  const known = command === 'train' || command === 'check' || command === 'submit';
  if (!known || rest.length > 0 || values.config === undefined) {
    const wanted = known ? `loraloom ${command} --config my.yaml` : 'loraloom --help';
    throw new UserError(`cannot make sense of: loraloom ${args.join(' ')}; want ${wanted}`);
  }
  if (command === 'submit') return send(values.config, values.url);
  const training = await openTraining(values.config);
  try {
    return command === 'check' ? await look(training, values.json ?? false) : await run(training, values.resume ?? false);
  } finally {
    await training.pipeline.close();
  }
}

async function report(file: string, json: boolean): Promise<number> {
  const found = await inspect(file);
  console.log(
    json ? JSON.stringify(found, (_, value) => (value instanceof Error ? value.message : value), 2) : describeLora(found),
  );
  return found.problems.length > 0 ? 1 : 0;
}

async function look(training: LocalTraining, json: boolean): Promise<number> {
  const { findings, estimate } = await check(training);
  const { files: _, prior_files: __, ...request } = training.request;
  if (json) console.log(JSON.stringify({ findings, estimate, request, ignored: training.ignored }, null, 2));
  else console.log([...(findings.length > 0 ? [describe(findings)] : []), summary(training, estimate)].join('\n\n'));
  return findings.some(({ severity }) => severity === 'error') ? 1 : 0;
}

async function run(training: LocalTraining, resume: boolean): Promise<number> {
  const { findings, estimate } = await check(training);
  if (findings.length > 0) console.error(`${describe(findings)}\n`);
  if (findings.some(({ severity }) => severity === 'error'))
    throw new UserError('nothing was trained: mend the errors above first');
  console.log(summary(training, estimate));
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort());
  const show = progressLine(process.stdout);
  const steps = train(training, { resume, signal: stop.signal });
  try {
    let next = await steps.next();
    for (; !next.done; next = await steps.next()) show(next.value);
    const { files, best } = next.value;
    console.log(`\n${files.join('\n')}`);
    if (best) console.log(`least validation loss: ${best.validation_loss.toFixed(4)}, after step ${best.step}`);
    return 0;
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    console.log('\nStopped; --resume goes on from here.');
    return 130;
  }
}

/** Trains on a server. */
async function send(config: string, url: string): Promise<number> {
  const { LORALOOM_API_KEY: apiKey } = process.env;
  if (!apiKey) throw new UserError('no API key; want LORALOOM_API_KEY in the environment');
  const { file } = await readSettings(config);
  const show = progressLine(process.stdout);
  const records = submit(connect({ url, apiKey }), file);
  let next = await records.next();
  if (!next.done && next.value.warnings.length > 0) console.error(`${describe(next.value.warnings)}\n`);
  for (; !next.done; next = await records.next()) {
    const { step, total_steps: steps, loss, seconds_left: left } = next.value.progress;
    if (loss !== null) show({ step, steps, smoothLoss: loss, stepsPerSecond: left ? (steps - step) / left : undefined });
  }
  console.log(`\n${next.value.join('\n')}`);
  return 0;
}

function summary(
  { request, ignored }: LocalTraining,
  { steps, memory_bytes, cpu_seconds }: { steps: number; memory_bytes: number; cpu_seconds: number },
) {
  const { files, batch_size, resolution, rank } = request;
  const lines = [
    `${files.length} pictures at ${resolution} pixels, rank ${rank}: ${steps} steps of ${batch_size}`,
    `about ${(memory_bytes / 1e9).toFixed(1)} GB of memory, and ${Math.ceil(cpu_seconds / 60)} min on two CPU cores`,
  ];
  if (ignored.length > 0) lines.push(`without a meaning here: ${ignored.join(', ')}`);
  return lines.join('\n');
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
  if (
    !(
      usage ||
      error instanceof UserError ||
      error instanceof RequestError ||
      error instanceof InputError ||
      error instanceof LoraloomError
    )
  )
    throw error;
  console.error(`loraloom: ${error.message}`);
  process.exitCode = usage ? 2 : 1;
}
