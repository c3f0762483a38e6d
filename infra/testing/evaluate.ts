import { execSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import * as aws from '@pulumi/aws';
import * as dockerbuild from '@pulumi/docker-build';
import * as pulumi from '@pulumi/pulumi';
import { z } from 'zod';
import { accountId, answerOf, outputsOf, region } from './cloud.ts';

export interface Cloud {
  resources: Resource[];
  /** Each function whose code SST was asked to build. */
  builds: Build[];
  /** What sst.config.ts says of the stage as a whole. */
  app: { protect?: boolean | undefined; removal?: string | undefined };
}

export interface Resource {
  /** Pulumi's, as `aws:sqs/queue:Queue`. */
  type: string;
  /** Within the program; the name in the cloud gets a random ending. */
  name: string;
  inputs: Record<string, unknown>;
}

/** `handler` as `functions/src/lambda.handler`. */
export type Build = z.infer<typeof buildSchema>;
const buildSchema = z.object({
  handler: z.string(),
  properties: z.object({
    minify: z.boolean().default(false),
    plugins: z.string().optional(),
    esbuild: z.object({ keepNames: z.boolean().default(true) }).prefault({}),
  }),
});

const root = join(import.meta.dirname, '../..');

/**
 * Runs sst.config.ts as `sst deploy` does (its globals, its server), with Pulumi's mocks where Pulumi's engine would be.
 * SST has no supported way to do this: it leans on the insides of the pinned version.
 * @returns all that would be created
 */
export async function evaluate(stage: string): Promise<Cloud> {
  const resources: Resource[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, custom, id }) => {
        const plain = z.record(z.string(), z.unknown()).parse(withoutSecrets(inputs));
        if (type === 'command:local:Command') runCommand(plain);
        if (custom !== false) resources.push({ type, name, inputs: plain });
        return { id: id || `${name}-id`, state: { ...plain, ...outputsOf(type, name, plain) } };
      },
      call: ({ token, inputs }) => answerOf(token, inputs),
    },
    'loraloom',
    stage,
    false,
  );
  process.env.SST_SECRET_ApiKeyPepper = 'pepper for tests, of 32 characters';
  const { server, builds } = await pretendServer();
  const folder = process.cwd();

  // An error in an `apply` is an unhandled rejection, after which `disconnect` would wait for ever.
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  process.on('unhandledRejection', fail);
  try {
    const { app, program } = await loadProgram(stage);
    const done = pulumi.runtime.runInPulumiStack(program).then(() => pulumi.runtime.disconnect());
    await Promise.race([failed, done]);
    return { resources, builds, app };
  } finally {
    process.off('unhandledRejection', fail);
    process.chdir(folder);
    server.close();
  }
}

/** Loads sst.config.ts, giving it the globals that the CLI gives it. */
async function loadProgram(stage: string): Promise<{ app: Cloud['app']; program: () => Promise<unknown> }> {
  Object.assign(globalThis, { $config: (config: unknown) => config });
  const { default: config } = await import('../../sst.config.ts');
  const app = await config.app({ stage });
  const work = mkdtempSync(join(tmpdir(), 'sst-'));
  Object.assign(globalThis, {
    $app: { ...app, stage, removal: app.removal ?? 'retain', protect: app.protect ?? false },
    $cli: {
      command: 'deploy',
      paths: { home: work, root, work, platform: join(root, '.sst/platform') },
      state: { version: {} },
    },
    $dev: false,
    $util: pulumi,
    $output: pulumi.output,
    $resolve: pulumi.all,
    $interpolate: pulumi.interpolate,
    $concat: pulumi.concat,
    $jsonParse: pulumi.jsonParse,
    $jsonStringify: pulumi.jsonStringify,
    aws,
    dockerbuild,
  });
  // SST's components want the globals above when they are loaded.
  const { $asset, $transform } = await import('sst-platform/components/component');
  const sst = await import('sst-platform/components/index');
  Object.assign(globalThis, { $asset, $transform, sst });
  const { run } = await import('sst-platform/auto/run');
  return { app, program: () => run(async () => (await config.run()) ?? {}) };
}

const commandSchema = z.looseObject({ create: z.string(), dir: z.string(), environment: z.record(z.string(), z.string()) });

/** What a deployment runs on the machine of whoever deploys, the building of the studio, is run: components look at its results. */
function runCommand(inputs: unknown) {
  const { create, dir, environment } = commandSchema.parse(inputs);
  execSync(create, { cwd: dir, env: { ...process.env, ...environment, NODE_ENV: 'production' } });
}

const callSchema = z.object({ method: z.string(), params: z.array(z.unknown()) });

/** The part of the CLI that components talk to: where assets go, and the building of functions, which another test does. */
async function pretendServer() {
  const built = mkdtempSync(join(tmpdir(), 'sst-built-'));
  const answers: Record<string, object> = {
    'Provider.Aws.Bootstrap': {
      asset: 'sst-asset',
      assetEcrRegistryId: accountId,
      assetEcrUrl: `${accountId}.dkr.ecr.${region}.amazonaws.com/sst-asset`,
      state: 'sst-state',
    },
    'Runtime.Build': { handler: 'bundle.handler', out: built, errors: [], sourcemaps: [] },
  };
  const builds: Build[] = [];
  const server = createServer(async (request, response) => {
    const { method, params } = callSchema.parse(await json(request));
    if (method === 'Runtime.Build') builds.push(buildSchema.parse(params[0]));
    response.end(JSON.stringify(method in answers ? { result: answers[method] } : { error: `no pretended answer to ${method}` }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  const { port } = z.object({ port: z.number() }).parse(server.address());
  process.env.SST_SERVER = `http://127.0.0.1:${port}`;
  return { server, builds };
}

/** Pulumi marks a secret on its way to the engine by wrapping it in an object with this key. */
const secretMark = '4dabf18193072939515e22adb298388d';

function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  if (secretMark in value) return 'value' in value ? withoutSecrets(value.value) : undefined;
  // Assets and archives are class instances that Pulumi knows again; they hold no secrets.
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutSecrets(inner)]));
}
