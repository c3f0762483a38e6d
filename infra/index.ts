import { createApi } from './api.ts';
import { createBucket } from './bucket.ts';
import { setDefaults } from './defaults.ts';
import { createGpu } from './gpu.ts';
import { createImage } from './image.ts';
import { createLimits } from './limits.ts';
import { createNetwork } from './network.ts';
import { createQueues } from './queues.ts';
import { createScaling } from './scaling.ts';
import { stageNamed } from './stage.ts';
import { createWorkers } from './worker.ts';

/** The whole cloud of the stage that is being deployed. */
export function createCloud() {
  setDefaults();
  const stage = stageNamed($app.stage);
  const bucket = createBucket(stage);
  const queues = createQueues();
  const api = createApi(stage, { bucket, queues, limits: createLimits() });
  const gpu = createGpu(stage, createNetwork());
  const workers = createWorkers({ bucket, queues, gpu, image: createImage() });
  createScaling(stage, { queues, gpu, workers });
  return { url: api.url, bucket: bucket.name };
}
