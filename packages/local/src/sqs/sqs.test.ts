import { setTimeout as sleep } from 'node:timers/promises';
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  type Message,
  PurgeQueueCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { credentials, failure, testSqs } from './test-sqs.ts';

let sqs: Awaited<ReturnType<typeof testSqs>>;
let client: ReturnType<typeof sqs.client>;
beforeAll(async () => {
  sqs = await testSqs();
  client = sqs.client();
});
afterAll(() => sqs.close());

let made = 0;
async function newQueue(Attributes: Record<string, string> = {}, QueueName = `queue-${++made}`): Promise<string> {
  return (await client.send(new CreateQueueCommand({ QueueName, Attributes }))).QueueUrl ?? '';
}
const send = (QueueUrl: string, MessageBody: string, more: Partial<SendMessageCommandInput> = {}) =>
  client.send(new SendMessageCommand({ QueueUrl, MessageBody, ...more }));
async function receive(QueueUrl: string, more: Partial<ReceiveMessageCommandInput> = {}) {
  const asked = { QueueUrl, MessageSystemAttributeNames: ['All' as const], ...more };
  return (await client.send(new ReceiveMessageCommand(asked))).Messages ?? [];
}
async function receiveOne(QueueUrl: string, more: Partial<ReceiveMessageCommandInput> = {}) {
  const [message] = await receive(QueueUrl, { WaitTimeSeconds: 2, ...more });
  if (!message) throw new Error('no message came');
  return message;
}
const change = (QueueUrl: string, ReceiptHandle: string | undefined, VisibilityTimeout: number) =>
  client.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle, VisibilityTimeout }));
const remove = (QueueUrl: string, ReceiptHandle: string | undefined) =>
  client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
async function counts(QueueUrl: string) {
  const { Attributes = {} } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
  return [
    Number(Attributes.ApproximateNumberOfMessages),
    Number(Attributes.ApproximateNumberOfMessagesNotVisible),
    Number(Attributes.ApproximateNumberOfMessagesDelayed),
  ];
}

describe('queues', () => {
  test('are created once, found, listed and deleted', async () => {
    const url = await newQueue({ VisibilityTimeout: '60' }, 'list-a');
    expect(url).toBe(`${sqs.url}/000000000000/list-a`);
    expect(await newQueue({ VisibilityTimeout: '60' }, 'list-a')).toBe(url);
    expect(await newQueue({}, 'list-a')).toBe(url);
    expect(await failure(newQueue({ VisibilityTimeout: '61' }, 'list-a'))).toBe('400 QueueNameExists');
    expect(await failure(newQueue({}, 'no good'))).toBe('400 InvalidParameterValue');
    expect((await client.send(new GetQueueUrlCommand({ QueueName: 'list-a' }))).QueueUrl).toBe(url);
    const other = await newQueue({}, 'list-b');
    const list = new ListQueuesCommand({ QueueNamePrefix: 'list-', MaxResults: 1 });
    const page = await client.send(list);
    expect([page.QueueUrls, page.NextToken]).toEqual([[url], 'list-a']);
    const { QueueUrls, NextToken } = await client.send(
      new ListQueuesCommand({ QueueNamePrefix: 'list-', MaxResults: 1, NextToken: page.NextToken }),
    );
    expect([QueueUrls, NextToken]).toEqual([[other], undefined]);
    await send(url, 'lost');
    await client.send(new DeleteQueueCommand({ QueueUrl: url }));
    await newQueue({}, 'list-a');
    expect(await counts(url)).toEqual([0, 0, 0]);
  });

  test('that are not there: the error that the SDK knows', async () => {
    const call = client.send(new GetQueueUrlCommand({ QueueName: 'missing' }));
    await expect(call).rejects.toBeInstanceOf(QueueDoesNotExist);
    await expect(call).rejects.toMatchObject({ Code: 'AWS.SimpleQueueService.NonExistentQueue' });
    expect(await failure(send(`${sqs.url}/000000000000/missing`, 'a'))).toBe('400 QueueDoesNotExist');
  });

  test('have attributes', async () => {
    const QueueUrl = await newQueue({ DelaySeconds: '5' });
    await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: '7' } }));
    const { Attributes = {} } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }));
    const name = QueueUrl.split('/').at(-1);
    expect(Attributes).toMatchObject({
      DelaySeconds: '5',
      VisibilityTimeout: '7',
      MaximumMessageSize: '1048576',
      MessageRetentionPeriod: '345600',
      ReceiveMessageWaitTimeSeconds: '0',
      QueueArn: `arn:aws:sqs:us-east-1:000000000000:${name}`,
    });
    expect(Math.abs(Number(Attributes.CreatedTimestamp) - Date.now() / 1000)).toBeLessThan(10);
    const some = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['DelaySeconds'] }));
    expect(some.Attributes).toEqual({ DelaySeconds: '5' });
  });

  test.each([
    [{ VisibilityTimeout: '43201' }, '400 InvalidAttributeValue'],
    [{ DelaySeconds: '-1' }, '400 InvalidAttributeValue'],
    [{ ReceiveMessageWaitTimeSeconds: '21' }, '400 InvalidAttributeValue'],
    [{ RedrivePolicy: '{"maxReceiveCount":3}' }, '400 InvalidAttributeValue'],
    [
      { RedrivePolicy: '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:000000000000:none","maxReceiveCount":3}' },
      '400 InvalidParameterValue',
    ],
    [{ FifoQueue: 'true' }, '400 InvalidAttributeName'],
  ])('refuse %j', async (attributes, error) => {
    expect(await failure(newQueue(attributes))).toBe(error);
  });
});

describe('messages', () => {
  test('come as they were sent, with what is known of them', async () => {
    const url = await newQueue();
    const body = '{"kind":"training"}\t"ü" 🐈 \u{1F9F5}';
    const { MessageId } = await send(url, body, { MessageGroupId: 'tenant-1' });
    const message = await receiveOne(url);
    expect(message).toMatchObject({
      MessageId,
      Body: body,
      Attributes: { ApproximateReceiveCount: '1', MessageGroupId: 'tenant-1' },
    });
    expect(Math.abs(Number(message.Attributes?.SentTimestamp) - Date.now())).toBeLessThan(10_000);
    await remove(url, message.ReceiptHandle);
    await remove(url, message.ReceiptHandle);
    expect(await counts(url)).toEqual([0, 0, 0]);
  });

  test('are hidden while in flight, then come again with another receipt', async () => {
    const url = await newQueue({ VisibilityTimeout: '1' });
    await send(url, 'again');
    const first = await receiveOne(url);
    expect(await receive(url)).toEqual([]);
    expect(await counts(url)).toEqual([0, 1, 0]);
    const second = await receiveOne(url);
    expect(second.Attributes?.ApproximateReceiveCount).toBe('2');
    expect(second.Attributes?.ApproximateFirstReceiveTimestamp).toBe(first.Attributes?.ApproximateFirstReceiveTimestamp);
    // The first receipt is worth nothing any more.
    await remove(url, first.ReceiptHandle);
    expect(await failure(change(url, first.ReceiptHandle, 60))).toBe('400 MessageNotInflight');
    expect(await counts(url)).toEqual([0, 1, 0]);
    await remove(url, second.ReceiptHandle);
    expect(await counts(url)).toEqual([0, 0, 0]);
    expect(await failure(change(url, second.ReceiptHandle, 60))).toBe('400 MessageNotInflight');
  });

  test('are extended, and given back at once', async () => {
    const url = await newQueue({ VisibilityTimeout: '1' });
    await send(url, 'long work');
    const { ReceiptHandle } = await receiveOne(url);
    await change(url, ReceiptHandle, 3);
    await sleep(1200);
    expect(await receive(url)).toEqual([]);
    await change(url, ReceiptHandle, 0);
    expect(await receive(url)).toHaveLength(1);
    expect(await failure(change(url, 'no receipt', 1))).toBe('404 ReceiptHandleIsInvalid');
    expect(await failure(remove(url, 'no receipt'))).toBe('404 ReceiptHandleIsInvalid');
  });

  test('are not hidden for more than 12 hours in total', async () => {
    const url = await newQueue();
    await send(url, 'long');
    const { ReceiptHandle } = await receiveOne(url);
    await sleep(20);
    await change(url, ReceiptHandle, 43_190);
    expect(await failure(change(url, ReceiptHandle, 43_200))).toBe('400 InvalidParameterValue');
    expect(await failure(change(url, ReceiptHandle, 43_201))).toBe('400 InvalidParameterValue');
  });

  test('are delayed, by the queue or by themselves', async () => {
    const url = await newQueue({ DelaySeconds: '900' });
    await send(url, 'by the queue');
    await send(url, 'by itself', { DelaySeconds: 1 });
    expect(await receive(url)).toEqual([]);
    expect(await counts(url)).toEqual([0, 0, 2]);
    const started = Date.now();
    expect((await receiveOne(url)).Body).toBe('by itself');
    expect(Date.now() - started).toBeGreaterThan(500);
  });

  test('go to the dead-letter queue when they have come too often', async () => {
    const dead = await newQueue();
    const deadLetterTargetArn = `arn:aws:sqs:eu-central-1:000000000000:${dead.split('/').at(-1)}`;
    const RedrivePolicy = JSON.stringify({ deadLetterTargetArn, maxReceiveCount: 2 });
    const url = await newQueue({ RedrivePolicy, VisibilityTimeout: '0' });
    const { MessageId } = await send(url, 'poison', { MessageGroupId: 'g' });
    const waiting = receiveOne(dead, { WaitTimeSeconds: 5 });
    expect((await receiveOne(url)).Attributes?.ApproximateReceiveCount).toBe('1');
    const last = await receiveOne(url);
    expect(last.Attributes?.ApproximateReceiveCount).toBe('2');
    await sleep(5);
    expect(await receive(url)).toEqual([]);
    const message = await waiting;
    expect(message).toMatchObject({
      MessageId,
      Body: 'poison',
      Attributes: { ApproximateReceiveCount: '3', MessageGroupId: 'g' },
    });
    expect(message.Attributes?.DeadLetterQueueSourceArn).toBe(`arn:aws:sqs:us-east-1:000000000000:${url.split('/').at(-1)}`);
    await remove(url, last.ReceiptHandle);
    expect(await counts(dead)).toEqual([0, 1, 0]);
    expect(await counts(url)).toEqual([0, 0, 0]);
  });

  test('are purged', async () => {
    const url = await newQueue();
    await Promise.all(['a', 'b', 'c'].map((body) => send(url, body)));
    await receiveOne(url);
    expect(await counts(url)).toEqual([2, 1, 0]);
    await client.send(new PurgeQueueCommand({ QueueUrl: url }));
    expect(await counts(url)).toEqual([0, 0, 0]);
  });

  test.each<[string, string, Partial<SendMessageCommandInput>]>([
    ['400 InvalidMessageContents', 'a\u0000b', {}],
    ['400 InvalidMessageContents', 'a\uFFFFb', {}],
    ['400 MissingParameter', '', {}],
    ['400 InvalidParameterValue', 'a', { DelaySeconds: 901 }],
    ['400 InvalidParameterValue', 'a', { MessageGroupId: 'x'.repeat(129) }],
    ['400 UnsupportedOperation', 'a', { MessageAttributes: { a: { DataType: 'String', StringValue: 'b' } } }],
    ['400 InvalidParameterValue', 'x'.repeat(1_048_577), {}],
    ['it did not fail', 'x'.repeat(1_048_576), {}],
  ])('%s', async (error, body, more) => {
    const url = await newQueue();
    expect(await failure(send(url, body, more))).toBe(error);
    if (error === 'it did not fail') expect((await receiveOne(url)).Body).toBe(body);
  });
});

describe('groups', () => {
  const groupsOf = (messages: Message[]) => messages.map(({ Attributes }) => Attributes?.MessageGroupId ?? 'none');
  const all = { MaxNumberOfMessages: 10 };

  test('take turns within one answer, the oldest of each first', async () => {
    const url = await newQueue();
    for (const body of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2']) await send(url, body, { MessageGroupId: body.slice(0, 1) });
    expect((await receive(url, all)).map(({ Body }) => Body)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4']);
  });

  test('with fewer in flight come first, however long the others have waited', async () => {
    const url = await newQueue();
    for (let i = 0; i < 30; i++) await send(url, `burst ${i}`, { MessageGroupId: 'a' });
    const first = await receive(url, all);
    expect(groupsOf(first)).toEqual(Array(10).fill('a'));
    await send(url, 'no group');
    for (const body of ['single', 'single 2']) await send(url, body, { MessageGroupId: 'b' });
    expect(groupsOf(await receive(url, { MaxNumberOfMessages: 4 }))).toEqual(['none', 'b', 'b', 'a']);
    // What is done with is not in flight any more.
    for (const { ReceiptHandle } of first) await remove(url, ReceiptHandle);
    for (let i = 0; i < 3; i++) await send(url, 'more', { MessageGroupId: 'b' });
    expect(groupsOf(await receive(url, { MaxNumberOfMessages: 3 }))).toEqual(['a', 'b', 'a']);
  });

  test('that are delayed, or given back, are not counted as in flight', async () => {
    const url = await newQueue();
    for (let i = 0; i < 5; i++) await send(url, 'later', { MessageGroupId: 'a', DelaySeconds: 900 });
    for (const MessageGroupId of ['a', 'b']) await send(url, 'now', { MessageGroupId });
    const { ReceiptHandle } = await receiveOne(url);
    await receiveOne(url);
    await change(url, ReceiptHandle, 0);
    await send(url, 'b', { MessageGroupId: 'b' });
    expect(groupsOf(await receive(url, all))).toEqual(['a', 'b']);
  });

  test('take turns when each message is done before the next is received', async () => {
    const url = await newQueue();
    for (const MessageGroupId of ['a', 'a', 'a', 'b', 'b', 'c']) await send(url, 'work', { MessageGroupId });
    const groups = [];
    for (let i = 0; i < 6; i++) {
      const message = await receiveOne(url);
      groups.push(...groupsOf([message]));
      await remove(url, message.ReceiptHandle);
    }
    expect(groups).toEqual(['a', 'b', 'c', 'a', 'b', 'a']);
  });
});

describe('batches', () => {
  test('send, extend and delete, each entry for itself', async () => {
    const QueueUrl = await newQueue();
    const Entries = ['a', 'b', 'c'].map((Id) => ({ Id, MessageBody: `body ${Id}` }));
    const bad = { Id: 'bad', MessageBody: '\u0001' };
    const sent = await client.send(new SendMessageBatchCommand({ QueueUrl, Entries: [...Entries, bad] }));
    expect(sent.Successful?.map(({ Id }) => Id)).toEqual(['a', 'b', 'c']);
    expect(sent.Failed).toMatchObject([{ Id: 'bad', SenderFault: true, Code: 'InvalidMessageContents' }]);
    const messages = await receive(QueueUrl, { MaxNumberOfMessages: 10 });
    expect(messages.map(({ Body }) => Body)).toEqual(['body a', 'body b', 'body c']);
    const receipts = messages.map(({ ReceiptHandle }, index) => ({ Id: `${index}`, ReceiptHandle }));
    const changed = await client.send(
      new ChangeMessageVisibilityBatchCommand({
        QueueUrl,
        Entries: [
          ...receipts.map((entry) => ({ ...entry, VisibilityTimeout: 5 })),
          { Id: 'x', ReceiptHandle: 'x', VisibilityTimeout: 5 },
        ],
      }),
    );
    expect([changed.Successful?.length, changed.Failed?.[0]?.Code]).toEqual([3, 'ReceiptHandleIsInvalid']);
    await client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: receipts }));
    expect(await counts(QueueUrl)).toEqual([0, 0, 0]);
  });

  const entries = (count: number, MessageBody = 'a') => Array.from({ length: count }, (_, i) => ({ Id: `${i}`, MessageBody }));
  test.each([
    ['400 EmptyBatchRequest', []],
    ['400 TooManyEntriesInBatchRequest', entries(11)],
    ['400 BatchEntryIdsNotDistinct', [...entries(1), ...entries(1)]],
    ['400 InvalidBatchEntryId', [{ Id: 'a b', MessageBody: 'a' }]],
    ['400 BatchRequestTooLong', entries(2, 'x'.repeat(600_000))],
  ])('%s', async (error, Entries) => {
    const QueueUrl = await newQueue();
    expect(await failure(client.send(new SendMessageBatchCommand({ QueueUrl, Entries })))).toBe(error);
  });
});

describe('waiting for messages', () => {
  test('ends when one is sent', async () => {
    const url = await newQueue();
    const waiting = receive(url, { WaitTimeSeconds: 20 });
    await sleep(200);
    const started = Date.now();
    await send(url, 'now');
    expect((await waiting).map(({ Body }) => Body)).toEqual(['now']);
    expect(Date.now() - started).toBeLessThan(1000);
  });

  test('ends empty when the time is over', async () => {
    const url = await newQueue({ ReceiveMessageWaitTimeSeconds: '1' });
    const started = Date.now();
    expect(await receive(url)).toEqual([]);
    expect(Date.now() - started).toBeGreaterThan(950);
    expect(await receive(url, { WaitTimeSeconds: 0 })).toEqual([]);
    expect(Date.now() - started).toBeLessThan(1900);
  });

  test('of several, each message goes to one', async () => {
    const url = await newQueue();
    const waiting = Array.from({ length: 5 }, () => receiveOne(url, { WaitTimeSeconds: 5 }));
    await sleep(50);
    await Promise.all(Array.from({ length: 5 }, (_, i) => send(url, `${i}`)));
    const bodies = (await Promise.all(waiting)).map(({ Body }) => Body);
    expect(bodies.sort()).toEqual(['0', '1', '2', '3', '4']);
  });

  test('a poller that has gone swallows nothing', async () => {
    const url = await newQueue();
    for (let round = 0; round < 20; round++) {
      const gone = new AbortController();
      const polling = client.send(new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 20 }), {
        abortSignal: gone.signal,
      });
      polling.catch(() => undefined);
      await sleep(round);
      // Some of these cross on the way, whichever comes first.
      const sent = send(url, `${round}`);
      gone.abort();
      await Promise.all([sent, expect(polling).rejects.toThrow()]);
      const message = await receiveOne(url);
      expect([message.Body, message.Attributes?.ApproximateReceiveCount]).toEqual([`${round}`, '1']);
      await remove(url, message.ReceiptHandle);
    }
  });
});

type TamperedRequest = { body: unknown; headers: Partial<Record<string, string>> };

/** The SDK's request, as far as it is tampered with here. */
function tamperedRequest(request: unknown): TamperedRequest {
  const known = (value: unknown): value is TamperedRequest =>
    typeof value === 'object' && value !== null && 'body' in value && 'headers' in value;
  if (!known(request)) throw new Error('the SDK has another kind of request');
  return request;
}

describe('signatures', () => {
  test('of other keys are refused', async () => {
    const call = (wrong: Partial<typeof credentials>) =>
      failure(sqs.client({ credentials: { ...credentials, ...wrong } }).send(new ListQueuesCommand()));
    expect(await call({ secretAccessKey: 'other' })).toBe('403 SignatureDoesNotMatch');
    expect(await call({ accessKeyId: 'OTHER' })).toBe('403 InvalidAccessKeyId');
    const late = sqs.client({ systemClockOffset: 20 * 60_000 });
    expect(await failure(late.send(new ListQueuesCommand()))).toBe('403 RequestTimeTooSkewed');
  });

  test('must be over the body that came, and over the action', async () => {
    const change = (what: (request: TamperedRequest) => void) => {
      const tampering = sqs.client();
      tampering.middlewareStack.add(
        (next) => async (args) => {
          what(tamperedRequest(args.request));
          return next(args);
        },
        { step: 'finalizeRequest', priority: 'low' },
      );
      return failure(tampering.send(new ListQueuesCommand({ QueueNamePrefix: 'a' })));
    };
    expect(await change(() => undefined)).toBe('it did not fail');
    const otherBody = change((request) => {
      request.body = '{"QueueNamePrefix":"b"}';
    });
    expect(await otherBody).toBe('403 SignatureDoesNotMatch');
    const otherAction = change(({ headers }) => {
      headers['x-amz-target'] = 'AmazonSQS.PurgeQueue';
    });
    expect(await otherAction).toBe('403 SignatureDoesNotMatch');
    const unsigned = change(({ headers }) => {
      delete headers.authorization;
    });
    expect(await unsigned).toBe('403 AccessDenied');
  });
});
