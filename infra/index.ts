import { createAlarms } from './alarms.ts';
import { answerApi, createApi } from './api.ts';
import { createBucket } from './bucket.ts';
import { createConsumers } from './consumers.ts';
import { createDashboard } from './dashboard.ts';
import { createDeadLetters } from './dead-letters.ts';
import { setDefaults } from './defaults.ts';
import { createGpu } from './gpu.ts';
import { createImage } from './image.ts';
import { createLimits } from './limits.ts';
import { createNetwork } from './network.ts';
import { createQueues } from './queues.ts';
import { createScaling } from './scaling.ts';
import { stageNamed } from './stage.ts';
import { createStudio } from './studio.ts';
import { createWorkers } from './worker.ts';

/** The whole cloud of the stage that is being deployed. What it returns, deploy.ts reads. */
export function createCloud() {
  setDefaults();
  const stage = stageNamed($app.stage);
  const api = createApi(stage);
  const studio = createStudio(stage, api.url);
  const origins = studio.url.apply((url) => [new URL(url).origin, ...stage.origins]);
  const bucket = createBucket(stage, origins);
  const queues = createQueues();
  const limits = createLimits();
  answerApi(stage, api, { bucket, queues, limits, origins });
  createConsumers(stage, { bucket, queues, limits });
  createDeadLetters({ bucket, queues });
  const gpu = createGpu(stage, createNetwork());
  const workers = createWorkers(stage, { bucket, queues, gpu, image: createImage() });
  createScaling(stage, { queues, gpu, workers });
  createAlarms(stage, { api, queues, gpu });
  createDashboard({ api, queues, gpu, workers });
  return { api: api.url, studio: studio.url, bucket: bucket.name };
}
