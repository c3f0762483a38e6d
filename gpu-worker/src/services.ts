import type { Bucket, JobFolder, JobQueues } from '@loraloom/jobs';
import type { Metrics } from '@loraloom/metrics';
import type { PictureModerator } from './moderate.ts';
import type { Protection } from './protection.ts';

export type QueueName = JobFolder;

/** What the worker needs from the outside; `main.ts` makes it, tests make it in memory. */
export interface Services {
  bucket: Bucket;
  queues: JobQueues;
  /** Folder on this machine where base models are kept between jobs. */
  modelsFolder: string;
  provider: 'cpu' | 'cuda' | 'webgpu';
  /** How many pictures are made at once over one base model. */
  slots: number;
  /** Looks at training pictures and at what was made; without one nothing is looked at. */
  moderator?: PictureModerator;
  /** Seconds for which a received message is hidden; prolonged while its job runs. */
  visibilitySeconds: number;
  /** Days after which the bucket removes pictures; without it, never. */
  pictureDays?: number | undefined;
  /** Seconds after which a job that still runs is put back as a new message: SQS hides one for twelve hours in all. */
  maxVisibilitySeconds: number;
  /** Seconds that jobs get to end by themselves when the worker is told to stop; what has not ended is put back. */
  graceSeconds: number;
  /** Told of the work; default: nobody is. */
  metrics?: Pick<Metrics, 'begun' | 'ended' | 'steps' | 'lookup'>;
  /** Told while the worker holds a job; without it, nobody is. */
  protection?: Protection | undefined;
  /** Takes one structured log line. */
  log: (line: Record<string, unknown>) => void;
}
