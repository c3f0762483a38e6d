import { createRoute } from '@hono/zod-openapi';
import {
  type Bucket,
  type FileView,
  fileIdSchema,
  keys,
  type LoraImport,
  type LoraVersion,
  loraImportSchema,
  loraRecordSchema,
  loraReportSchema,
  newId,
  publishLora,
  readFile,
  readLoraName,
  readModel,
} from '@loraloom/jobs';
import { z } from 'zod';
import { ApiError } from './error.ts';
import { examples } from './examples.ts';
import { inspectFile } from './lora-header.ts';
import { viewOfLora } from './lora-view.ts';
import { loraTexts, refuseUnfit } from './moderate.ts';
import { body, errors, json, newRouter, ofBody } from './router.ts';
import type { Services } from './services.ts';

const post = createRoute({
  method: 'post',
  path: '/v1/loras',
  summary: 'Import a LoRA from an uploaded file, as a new version of its name',
  description:
    'kohya’s and diffusers’ .safetensors files for Stable Diffusion 1.x, 2.x and XL. Names, shapes and the base are checked here, the numbers when it is used first. The same file as the latest version makes no new one.',
  request: body(loraImportSchema, examples.loraImport),
  responses: {
    200: json('It is the latest version already', loraRecordSchema, examples.lora),
    201: json('The new version', loraRecordSchema, examples.lora),
    ...errors(401, 403, ...ofBody, 429),
  },
});

const inspect = createRoute({
  method: 'post',
  path: '/v1/loras:inspect',
  summary: 'What an uploaded LoRA file is: format, base, ranks, trigger words, and why it could not be imported',
  request: body(z.strictObject({ file_id: fileIdSchema }), { file_id: examples.loraImport.file_id }),
  responses: { 200: json('The report', loraReportSchema, examples.loraReport), ...errors(401, 403, ...ofBody, 429) },
});

/** LoRAs that were trained elsewhere. */
export function loraImports(services: Services) {
  const { bucket } = services;
  return newRouter()
    .openapi(post, async (c) => {
      const { tenant } = c.var.caller;
      const asked = c.req.valid('json');
      refuseUnfit(services, loraTexts(asked));
      const { version, isNew } = await importLora(bucket, tenant, asked);
      const stored = await readLoraName(bucket, tenant, version.name);
      if (!stored) throw new Error(`LoRA ${version.name} is gone though it was just published`);
      c.header('Location', `/v1/loras/${version.name}@${version.lora_id}`);
      return c.json(await viewOfLora(bucket, tenant, stored, version), isNew ? 201 : 200);
    })
    .openapi(inspect, async (c) => {
      const { tenant } = c.var.caller;
      return c.json(await inspectFile(bucket, tenant, await wantFile(bucket, tenant, c.req.valid('json').file_id)), 200);
    });
}

async function importLora(bucket: Bucket, tenant: string, asked: LoraImport): Promise<{ version: LoraVersion; isNew: boolean }> {
  const [file, model, name] = await Promise.all([
    wantFile(bucket, tenant, asked.file_id),
    readModel(bucket, asked.model),
    readLoraName(bucket, tenant, asked.name),
  ]);
  if (!model) throw new ApiError(422, 'unknown_model', `no model named ${asked.model}; GET /v1/models lists them`, 'model');
  const latest = name?.latest;
  if (latest?.sha256 === file.sha256 && latest.model === asked.model) return { version: latest, isNew: false };

  const report = await inspectFile(bucket, tenant, file);
  for (const { code, message } of report.problems) throw new ApiError(422, code, message, 'file_id');
  if (report.base !== null && report.base !== model.family) {
    const message = `the file is a LoRA for ${report.base}, but ${model.name} is of the family ${model.family}`;
    throw new ApiError(422, 'lora_mismatch', message, 'model');
  }
  const version: LoraVersion = {
    name: asked.name,
    object: 'lora',
    lora_id: newId('lora'),
    model: asked.model,
    rank: Math.max(...report.ranks),
    alpha: report.alpha,
    trigger_words: asked.trigger_words ?? report.trigger_words,
    license: asked.license ?? null,
    training_id: null,
    size_bytes: file.size_bytes,
    sha256: file.sha256,
    diffusers: null,
    created_at: new Date().toISOString(),
  };
  // A file may be deleted; a version stays. So its bytes are copied, and lie there before anybody can name them.
  const copied = await bucket.copy(keys.fileContent(tenant, file.id), keys.loraWeights(tenant, asked.name, version.lora_id));
  if (!copied) throw new ApiError(422, 'file_not_uploaded', `the bytes of ${file.id} are gone`, 'file_id');
  await publishLora(bucket, tenant, version);
  return { version, isNew: true };
}

async function wantFile(bucket: Bucket, tenant: string, id: string): Promise<FileView> {
  const file = await readFile(bucket, tenant, id);
  if (!file) throw new ApiError(422, 'unknown_file', `no file ${id}`, 'file_id');
  if (!file.uploaded)
    throw new ApiError(422, 'file_not_uploaded', `${id} has not been uploaded; PUT its bytes to its upload URL first`, 'file_id');
  return file;
}
