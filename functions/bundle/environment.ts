/** What the Lambda entry wants to be told; nothing is there. */
export const lambdaEnvironment = {
  AWS_REGION: 'eu-central-1',
  AWS_ACCESS_KEY_ID: 'key',
  AWS_SECRET_ACCESS_KEY: 'secret',
  BUCKET: 'bucket',
  TRAININGS_QUEUE_URL: 'https://sqs.invalid/trainings',
  IMAGES_QUEUE_URL: 'https://sqs.invalid/images',
  BATCHES_QUEUE_URL: 'https://sqs.invalid/batches',
  WEBHOOKS_QUEUE_URL: 'https://sqs.invalid/webhooks',
  LIMITS_TABLE: 'limits',
  KEY_PEPPER: 'a pepper of at least thirty-two characters',
};
