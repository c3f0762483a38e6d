import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { takeOverTime } from './clock.ts';

/*
 * One process of the drill: runs the seeds it is sent, several at a time, and sends back what came of
 * each; any message is word that those it has begun are enough. The worker's code gets the drill's engine in place of the real one.
 */

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@loraloom/engine' && /\/(gpu-worker|trainer)\//.test(context.parentURL ?? '')
      ? next(new URL('engine.ts', import.meta.url).href, context)
      : next(specifier, context),
});
// Nobody waits for what it would say any more.
process.once('disconnect', () => process.exit(1));
takeOverTime();
// The embedded S3 prints every fault that it meets.
console.error = () => undefined;

const { planOf, undisturbed } = await import('./plan.ts');
const { run } = await import('./schedule.ts');

const { seeds, atOnce, verbose } = z
  .object({ seeds: z.array(z.int()), atOnce: z.int(), verbose: z.boolean() })
  .parse(JSON.parse(process.argv[2] ?? ''));

// In memory where there is such a place: what is drilled here is not the disk.
const folder = mkdtempSync(join(process.platform === 'linux' ? '/dev/shm' : tmpdir(), 'loraloom-drill-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const modelsFolder = join(folder, 'models');
mkdirSync(modelsFolder);

const { results, wrongs } = await run(undisturbed, { folder, modelsFolder, results: undefined });
if (wrongs.length > 0) throw new Error(`undisturbed: ${wrongs.join('\n')}`);
const left = [...seeds];
process.once('message', () => left.splice(0));
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    for (let seed = left.shift(); seed !== undefined; seed = left.shift()) {
      const { results: _, log, ...outcome } = await run(planOf(seed), { folder, modelsFolder, results });
      process.send?.({ ...outcome, log: verbose || outcome.wrongs.length > 0 ? log : [] });
    }
  }),
);
process.exit(0);
