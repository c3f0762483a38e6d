export { optionMeant } from './aliases.ts';
export { AttemptLost, beginAttempt, runDeadlineExceeded, runMillisecondsLeft, updateAttempt } from './attempt.ts';
export { type AuditEntry, type Audited, auditDay, auditEntrySchema, gatherAudit, listAudit, putAudit } from './audit.ts';
export type { AwsAccess, AwsCredentials } from './aws.ts';
export { AwsError } from './aws.ts';
export * from './batch.ts';
export { cancelBatch, createBatch, listBatches, readBatch, retryBatch, wantBatchFiles } from './batch-lifecycle.ts';
export type { Bucket, ByteRange, ByteStream, Listing, ObjectInfo, PresignPut, PutOptions, SizedStream } from './bucket/port.ts';
export { PreconditionFailed } from './bucket/port.ts';
export { checkTraining, type TrainingCheck, trainingCheckSchema } from './check-training.ts';
export { acceptImage, type CreateServices, createImage, createTraining, settleImage } from './create.ts';
export { buryJob } from './dead.ts';
export * from './delivery.ts';
export { sha256Hex } from './digest.ts';
export { type Estimate, estimateSchema, estimateTraining } from './estimate.ts';
export * from './file.ts';
export { type Finding, findingSchema } from './finding.ts';
export { idOfKey, type Repeatable } from './idempotency.ts';
export * from './ids.ts';
export * from './image.ts';
export * from './job.ts';
export * from './keys.ts';
export { type Admit, cancelJob, createJob, type JobServices, listJobs, readJob } from './lifecycle.ts';
export type { Account, Charge, Charged, Limits } from './limits/port.ts';
export { lookOf } from './look.ts';
export * from './lora.ts';
export * from './lora-changes.ts';
export * from './model.ts';
export { dispatch, type JobQueues, sweepOutbox } from './outbox.ts';
export { readPace, reportPace } from './pace.ts';
export { headBytes, type PictureHeader, readPictureHeader, tailBytes } from './picture-header.ts';
export { type PictureFacts, preflight, type TrainingFacts } from './preflight.ts';
export type { Queue, Receive, Received } from './queue/port.ts';
export {
  BadTransition,
  createRecord,
  listFolders,
  NoSuchRecord,
  putRecord,
  readRecord,
  type Stored,
  updateRecord,
} from './record.ts';
export * from './refusal.ts';
export * from './registry.ts';
export { reproduceImage } from './reproduce.ts';
export { RequestError, type RequestErrorCode } from './request-error.ts';
export { heldOut, settleTraining } from './settle-training.ts';
export * from './training.ts';
export { readTrainingEvents } from './training-events.ts';
export * from './training-request.ts';
export * from './webhook.ts';
export { rotateWebhookSecret, type WebhookSecret, webhookSecret, webhookSecretSchema } from './webhook-secret.ts';
