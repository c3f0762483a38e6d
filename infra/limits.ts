/** What tenants have used up: requests, pictures, training steps, unfinished jobs; see packages/jobs/src/limits/dynamo.ts. */
export function createLimits() {
  // Paid by the request, and deleted by DynamoDB itself once a count is over.
  return new sst.aws.Dynamo('Limits', { fields: { account: 'string' }, primaryIndex: { hashKey: 'account' }, ttl: 'expires' });
}
export type Limits = ReturnType<typeof createLimits>;
