export type { ApiKey, KeyRequest, NewKey, OpenAIFile, Token, TokenRequestInput, Usage } from '@loraloom/functions';
export type {
  BatchEstimate,
  BatchView,
  DeliveryRecord,
  FileView,
  Finding,
  ImageRequestInput,
  ImageView,
  LoraChange,
  LoraImport,
  LoraRecord,
  LoraReport,
  LoraVersion,
  LoraView,
  Model,
  Receipt,
  Refusal,
  TrainingCheck,
  TrainingEvent,
  TrainingRecord,
  TrainingRequestInput,
  TrainingView,
  WebhookSecret,
} from '@loraloom/jobs';
export type { BatchAsked, Batches } from './batches.ts';
export { type ConnectOptions, connect, type Loraloom } from './connect.ts';
export type { CallOptions, CreateOptions, Page, PageOptions } from './connection.ts';
export { LoraloomError } from './error.ts';
export type { Bytes, Files, ShownFile, UploadOptions } from './files.ts';
export type { FollowOptions, WaitOptions } from './follow.ts';
export { type FormatOptions, type ImageAsked, type Images, newImageId } from './images.ts';
export type { Keys, Tokens } from './keys.ts';
export type { Loras } from './loras.ts';
export type {
  ContinueOptions,
  CreateTrainingOptions,
  EventPage,
  TrainingAsked,
  TrainingPicture,
  Trainings,
  UploadProgress,
} from './trainings.ts';
export { type VerifyWebhookOptions, verifyWebhook } from './webhook.ts';
export type { Webhooks } from './webhooks.ts';
