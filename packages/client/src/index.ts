export type {
  FileView,
  ImageRequestInput,
  ImageView,
  LoraRecord,
  LoraView,
  Model,
  TrainingCheck,
  TrainingEvent,
  TrainingRecord,
  TrainingRequestInput,
  TrainingView,
} from '@loraloom/jobs';
export {
  type CallOptions,
  type ConnectOptions,
  connect,
  type Job,
  type Loraloom,
  type Page,
  type PageOptions,
  type UploadOptions,
  type WaitOptions,
} from './connect.ts';
export { LoraloomError } from './error.ts';
