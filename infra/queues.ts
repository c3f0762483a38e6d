const daySeconds = 24 * 60 * 60;

/** A queue for each kind of job, so that a picture never waits behind a training. */
export function createQueues() {
  return { trainings: createQueue('Trainings'), images: createQueue('Images') };
}

/** A queue, and the queue of the messages that it has delivered five times in vain. */
function createQueue(name: string) {
  const dead = new sst.aws.Queue(`${name}Dead`, {
    // A message keeps its age when it moves here, so this queue has to keep messages for longer than the other.
    transform: { queue: { messageRetentionSeconds: 14 * daySeconds } },
  });
  const live = new sst.aws.Queue(name, {
    // For receivers that do not say how long; a worker says it, and prolongs it while it works.
    visibilityTimeout: '1 minute',
    dlq: { queue: dead.arn, retry: 5 },
    transform: { queue: { messageRetentionSeconds: 7 * daySeconds, receiveWaitTimeSeconds: 20 } },
  });
  new aws.sqs.RedriveAllowPolicy(`${name}DeadSource`, {
    queueUrl: dead.url,
    redriveAllowPolicy: $jsonStringify({ redrivePermission: 'byQueue', sourceQueueArns: [live.arn] }),
  });
  return { live, dead };
}
export type Queues = ReturnType<typeof createQueues>;
