const daySeconds = 24 * 60 * 60;

/**
 * A queue for each kind of work, so that a picture never waits behind a training, nor a tenant's webhook behind a batch.
 * They are fair between tenants by what senders do: every message carries its tenant as its group.
 */
export function createQueues() {
  return {
    trainings: createQueue('Trainings', '1 minute'),
    images: createQueue('Images', '1 minute'),
    batches: createQueue('Batches', '16 minutes'),
    webhooks: createQueue('Webhooks', '2 minutes'),
  };
}

/**
 * A queue, and the queue of the messages that it has delivered five times in vain.
 * @param visibility for receivers that do not say how long. A worker says it, and prolongs it while it works; for a function it
 * is longer than it may take (see consumers.ts), so that nothing is done twice at a time; doing it twice would be no harm.
 */
function createQueue(name: string, visibility: `${number} minute` | `${number} minutes`) {
  const dead = new sst.aws.Queue(`${name}Dead`, {
    // A message keeps its age when it moves here, so this queue has to keep messages for longer than the other.
    transform: { queue: { messageRetentionSeconds: 14 * daySeconds } },
  });
  const live = new sst.aws.Queue(name, {
    visibilityTimeout: visibility,
    dlq: { queue: dead.arn, retry: 5 },
    transform: { queue: { messageRetentionSeconds: 7 * daySeconds, receiveWaitTimeSeconds: 20 } },
  });
  new aws.sqs.RedriveAllowPolicy(`${name}DeadSource`, {
    queueUrl: dead.url,
    redriveAllowPolicy: $jsonStringify({ redrivePermission: 'byQueue', sourceQueueArns: [live.arn] }),
  });
  return { live, dead };
}
/** The URLs of all queues, as the API, its consumers and the workers read them from their environment. */
export const queueUrls = ({ trainings, images, batches, webhooks }: Queues) => ({
  TRAININGS_QUEUE_URL: trainings.live.url,
  IMAGES_QUEUE_URL: images.live.url,
  BATCHES_QUEUE_URL: batches.live.url,
  WEBHOOKS_QUEUE_URL: webhooks.live.url,
});
export type Queues = ReturnType<typeof createQueues>;
