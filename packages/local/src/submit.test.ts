import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from '@loraloom/client';
import { encodePng } from '@loraloom/emoji-base';
import { expect, it } from 'vitest';
import { startStack } from './stack.ts';
import { tiny } from './test-models.ts';

/*
 * The command line against the programs that it talks to.
 */

const program = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url));
it('trains a settings file on a server, and brings the LoRA back', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'loraloom-submit-'));
  const stack = await startStack({ folder: join(folder, 'stack'), port: 0, models: [tiny] });
  const run = (config: string) =>
    new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
      const env = { ...process.env, LORALOOM_API_KEY: stack.apiKey, NO_COLOR: '1' };
      const child = spawn(process.execPath, [program, 'submit', '--config', config, '--url', stack.url], { cwd: folder, env });
      let [out, err] = ['', ''];
      child.stdout.on('data', (data) => {
        out += data;
      });
      child.stderr.on('data', (data) => {
        err += data;
      });
      child.on('close', (code) => resolve({ code, out, err }));
    });
  try {
    for (const shade of [3, 7]) {
      const data = new Uint8Array(64 * 64 * 3).map((_, i) => (i * shade) % 256);
      await writeFile(join(folder, `${shade}.png`), await encodePng({ width: 64, height: 64, data }));
    }
    await writeFile(join(folder, 'metadata.csv'), '3.png,stripes\n7.png,dots\n');
    const settings = 'train_data_dir: .\nbase_model: tiny\noutput_dir: out/My Style\nlora_rank: 2\nbatch_size: 2\nepochs: 3\n';
    await writeFile(join(folder, 'my.yaml'), settings);
    const done = await run('my.yaml');
    expect(done, done.err).toMatchObject({ code: 0, err: expect.stringContaining('few_steps') });
    const api = connect({ url: stack.url, apiKey: stack.apiKey });
    const [training] = (await api.trainings.list()).data;
    expect(training).toMatchObject({
      status: 'succeeded',
      request: { name: 'my-style', model: 'tiny', rank: 2, steps: 3, epochs: 3 },
    });
    expect(training?.request.files.map(({ caption }) => caption)).toEqual(['stripes', 'dots']);
    const file = await readFile(join(folder, 'out/My Style/my-style.safetensors'));
    expect(createHash('sha256').update(file).digest('hex')).toBe(training?.output?.lora.sha256);
    const other = await readFile(join(folder, 'out/My Style/pytorch_lora_weights.safetensors'));
    expect(createHash('sha256').update(other).digest('hex')).toBe(training?.output?.lora.diffusers?.sha256);

    await writeFile(join(folder, '9.png'), 'no picture');
    const refused = await run('my.yaml');
    expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/loraloom: 9\.png: not a picture/) });
  } finally {
    await stack.close();
    await rm(folder, { recursive: true });
  }
});
