import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodePng, readLora } from '@loraloom/engine';
import { afterAll, beforeAll, expect, test } from 'vitest';

// The program itself, as a process of its own.
const program = fileURLToPath(new URL('main.ts', import.meta.url));
const tiny = fileURLToPath(new URL('../../engine/fixtures/sd-tiny/model', import.meta.url));

let folder: string;
const started: ChildProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'loraloom-cli-'));
  for (const shade of [3, 7, 11]) {
    const data = new Uint8Array(80 * 64 * 3).map((_, i) => (i * shade) % 256);
    await writeFile(join(folder, `${shade}.png`), await encodePng({ width: 80, height: 64, data }));
    await writeFile(join(folder, `${shade}.txt`), `stripes number ${shade}, plain`);
  }
});
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

/** Writes a settings file for the tiny model. @returns its path and that of its output folder */
async function settings(name: string, change: Record<string, unknown> = {}) {
  const output = join(folder, name);
  const all = {
    ...{ train_data_dir: folder, base_model: tiny, output_dir: output, lora_rank: 2, batch_size: 2, max_train_steps: 12 },
    ...{ save_steps: 2, learning_rate: '2e-3', seed: 5, output_name: 'stripes', ...change },
  };
  const path = join(folder, `${name}.yaml`);
  await writeFile(
    path,
    Object.entries(all)
      .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
      .join(''),
  );
  return { path, output };
}

/** Starts the program. `until` resolves when its output has shown the words. */
function start(...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], { cwd: folder, env: { ...process.env, NO_COLOR: '1' } });
  started.push(child);
  let [out, err] = ['', ''];
  child.stderr.on('data', (data) => {
    err += data;
  });
  const watchers: (() => void)[] = [];
  child.stdout.on('data', (data) => {
    out += data;
    for (const watch of watchers) watch();
  });
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out, err })),
  );
  const until = (words: string) =>
    new Promise<void>((resolve, reject) => {
      const watch = () => void (out.includes(words) && resolve());
      watchers.push(watch);
      watch();
      void ended.then(() => reject(new Error(`ended without saying ${words}: ${out}${err}`)));
    });
  return { child, ended, until };
}
const run = (...args: string[]) => start(...args).ended;

const digests = async (output: string) =>
  Promise.all(
    ['stripes.safetensors', 'pytorch_lora_weights.safetensors', 'validation.csv'].map(async (name) =>
      createHash('sha256')
        .update(await readFile(join(output, name)))
        .digest('hex'),
    ),
  );

test('a training writes both files and its checkpoints; killed and resumed, the same bytes', { timeout: 240_000 }, async () => {
  const prompts = join(folder, 'prompts.txt');
  await writeFile(prompts, '# two\nstripes --n bad --w 512\n\ndots\n');
  const every = {
    ...{
      enable_bucket: true,
      flip_aug: true,
      shuffle_caption: true,
      trigger_word: 'sks',
      caption_dropout: 0.1,
      noise_offset: 0.05,
    },
    ...{ gradient_accumulation_steps: 2, lr_scheduler: 'cosine_with_restarts', lr_warmup_steps: 2, lr_scheduler_num_cycles: 2 },
    ...{ min_snr_gamma: 5, max_grad_norm: 1, weight_decay: 0.1, ema_decay: 0.8, validation_split: 0.3, lora_alpha: 1 },
  };
  const whole = await settings('whole', { ...every, sample_prompts: prompts, sample_every_n_steps: 8 });
  const trained = await run('train', '--config', whole.path);
  expect(trained).toMatchObject({ code: 0, out: expect.stringMatching(/step 12\/12 {2}loss \d\.\d{4} {2}.* left\n/) });
  expect((await readdir(whole.output)).toSorted()).toEqual([
    'pytorch_lora_weights.safetensors',
    'samples',
    ...['02', '04', '06', '08', '10'].map((step) => `stripes-step000000${step}.safetensors`),
    'stripes.safetensors',
    'validation.csv',
  ]);
  expect(trained.out).toMatch(/least validation loss: \d\.\d{4}, after step \d+\n$/);
  const samples = (await readdir(join(whole.output, 'samples'))).toSorted();
  expect(samples).toEqual(['08', '12'].flatMap((step) => [0, 1].map((i) => `step000000${step}-${i}.png`)));
  const [kohya, diffusers] = [
    await readLora(join(whole.output, 'stripes.safetensors')),
    await readLora(join(whole.output, 'pytorch_lora_weights.safetensors')),
  ];
  expect([...kohya.modules.keys()].toSorted()).toEqual([...diffusers.modules.keys()].toSorted());
  expect(kohya.metadata).toMatchObject({
    ss_output_name: 'stripes',
    ss_network_dim: '2',
    ss_max_train_steps: '12',
    ss_seed: '5',
  });

  const broken = await settings('broken', every);
  const first = start('train', '--config', broken.path);
  await first.until('step 5/12');
  first.child.kill('SIGKILL');
  await first.ended;
  const checkpoint = join(broken.output, 'checkpoint.safetensors');
  expect(existsSync(checkpoint)).toBe(true);
  expect(existsSync(join(broken.output, 'stripes.safetensors'))).toBe(false);
  // What a crash in the middle of writing would leave behind.
  await writeFile(`${checkpoint}.1.tmp`, (await readFile(checkpoint)).subarray(0, 1000));

  const refused = await run('train', '--config', broken.path);
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('--resume') });
  const resumed = await run('train', '--config', broken.path, '--resume');
  expect(resumed.code).toBe(0);
  expect(resumed.out).toMatch(/step [5-9]\/12/);
  expect(resumed.out).not.toContain('step 4/12');
  expect(await digests(broken.output)).toEqual(await digests(whole.output));
  expect(existsSync(checkpoint)).toBe(false);
});

test('Ctrl-C leaves a checkpoint of the very step', { timeout: 120_000 }, async () => {
  const { path, output } = await settings('stopped', { max_train_steps: 4000, save_steps: 4000 });
  const { child, ended, until } = start('train', '--config', path);
  await until('step 1/4000');
  child.kill('SIGINT');
  expect(await ended).toMatchObject({ code: 130, out: expect.stringContaining('--resume goes on') });
  expect((await readdir(output)).toSorted()).toEqual(['checkpoint.safetensors']);
});

test('a check tells what is wrong in words, and to programs', { timeout: 60_000 }, async () => {
  const fine = await settings('fine', { trigger_word: 'sks' });
  const json = await run('check', '--config', fine.path, '--json');
  expect(json.code).toBe(0);
  const told = JSON.parse(json.out);
  expect(told).toMatchObject({
    findings: [{ code: 'few_steps' }],
    estimate: { steps: 12 },
    request: { resolution: 64, alpha: 2, seed: 5 },
  });

  const data = join(folder, 'bad');
  await mkdir(data);
  const good = await readFile(join(folder, '3.png'));
  await writeFile(join(data, 'a.png'), good);
  await writeFile(join(data, 'b.png'), good);
  const torn = Buffer.from(good);
  torn.fill(0, 100, torn.length - 100);
  await writeFile(join(data, 'c.png'), torn);
  await writeFile(join(data, 'd.jpg'), 'no picture');
  await writeFile(join(data, 'a.caption'), 'stripes');
  const bad = await settings('bad-settings', { train_data_dir: data, base_model: 'emoji', resolution: 72 });
  const words = await run('check', '--config', bad.path);
  expect(words.code).toBe(1);
  for (const line of [
    /error +resolution 72 does not fit/,
    /error +c\.png: the picture is cut off or damaged/,
    /error +d\.jpg: not a picture/,
    /error +a\.png: no caption, but there is a\.caption/,
    /warning b\.png: the same picture as a\.png/,
  ])
    expect(words.out).toMatch(line);
  const refused = await run('train', '--config', bad.path);
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('nothing was trained') });
  expect(existsSync(bad.output)).toBe(false);
});

test('a TOML file with kohya’s folders: its repeats and epochs make the steps', { timeout: 60_000 }, async () => {
  const data = join(folder, 'kohya');
  for (const [name, shade] of [
    ['10_stripes', 3],
    ['5_others', 7],
  ] as const) {
    await mkdir(join(data, name), { recursive: true });
    await writeFile(join(data, name, 'a.png'), await readFile(join(folder, `${shade}.png`)));
  }
  const path = join(folder, 'kohya.toml');
  const sections = `[model]\npretrained_model_name_or_path = ${JSON.stringify(tiny)}\n[dataset]\ntrain_data_dir = "./kohya"\n
    [training]\ntrain_batch_size = 2\nmax_train_epochs = 4\n[saving]\nsave_every_n_epochs = 2\noutput_dir = "./kohya-out"\n`;
  await writeFile(path, sections);
  const { code, out } = await run('check', '--config', path, '--json');
  expect(code).toBe(0);
  // Fifteen shows in batches of two are eight steps; what is shown thirty times is not shown too seldom.
  const { request, findings } = JSON.parse(out);
  expect(request).toMatchObject({ steps: 32, save_steps: 16 });
  expect(findings.map((finding: { code: string }) => finding.code)).toEqual(['trigger_word_absent']);
  await writeFile(path, sections.replace('[model]', '[model'));
  expect(await run('check', '--config', path)).toMatchObject({ code: 1, err: expect.stringContaining('kohya.toml: not TOML') });
});

test.each<[string[], number, RegExp]>([
  [['--help'], 0, /^$/],
  [[], 2, /^$/],
  [['train'], 1, /want loraloom train --config my\.yaml/],
  [['train', '--config', 'none.yaml'], 1, /none\.yaml: cannot be read/],
  [['teach'], 1, /want loraloom --help/],
  [['check', '--cofnig', 'x'], 2, /--cofnig/],
  [['inspect', 'none.safetensors'], 1, /no such file/],
])('loraloom %j', { timeout: 30_000 }, async (args, code, err) => {
  expect(await run(...args)).toMatchObject({ code, err: expect.stringMatching(err) });
});

test('inspect describes a LoRA, and one of another kind', { timeout: 30_000 }, async () => {
  const fixture = fileURLToPath(new URL('../../engine/fixtures/sd-tiny/lora/ink.kohya.safetensors', import.meta.url));
  const { code, out } = await run('inspect', fixture);
  expect(code).toBe(0);
  expect(out).toContain(
    createHash('sha256')
      .update(await readFile(fixture))
      .digest('hex'),
  );
  const model = join(tiny, 'unet/diffusion_pytorch_model.safetensors');
  const json = await run('inspect', model, '--json');
  expect(json.code).toBe(1);
  expect(JSON.parse(json.out).problems.length).toBeGreaterThan(0);
});
