import { createHash } from 'node:crypto';
import { z } from 'zod';
import { writeAttributes } from './attributes.ts';
import { SqsError } from './error.ts';
import type { Delivery, Messages } from './messages.ts';
import { arnOf, pathOf, type QueueRow, type Queues } from './queues.ts';

/** What an action works on. `signal`: the client has gone. */
export type Context = { queues: Queues; messages: Messages; url: string; signal: AbortSignal };
/** An action's answer; `undelivered` is called if it never reached the client. */
export type Outcome = { output: object; undelivered?: () => void };
type Action = (input: unknown, context: Context) => Outcome | Promise<Outcome>;

const QueueUrl = z.string();
const ReceiptHandle = z.string();
const DelaySeconds = z.int().min(0).max(900).optional();
const VisibilityTimeout = z.int().min(0).max(43_200);
const names = z.array(z.string()).default([]);
const message = {
  MessageBody: z.string(),
  DelaySeconds,
  MessageGroupId: z
    .string()
    .regex(/^[\x21-\x7e]{1,128}$/, 'want 1 to 128 printable characters')
    .optional(),
};
const messageSchema = z.strictObject(message);
type Message = z.infer<typeof messageSchema>;
const batchOf = <T extends z.ZodRawShape>(entry: T) =>
  z.strictObject({ QueueUrl, Entries: z.array(z.strictObject({ Id: z.string(), ...entry })) });

const receiveSchema = z.strictObject({
  QueueUrl,
  MaxNumberOfMessages: z.int().min(1).max(10).default(1),
  WaitTimeSeconds: z.int().min(0).max(20).optional(),
  VisibilityTimeout: VisibilityTimeout.optional(),
  /** The older name of the next. */
  AttributeNames: names,
  MessageSystemAttributeNames: names,
  /** Messages have none here. */
  MessageAttributeNames: names,
});

/** Every action by its name in `x-amz-target`. What SQS has beyond these parameters is refused, not overlooked. */
export const actions: Record<string, Action> = {
  CreateQueue: action(
    z.strictObject({ QueueName: z.string(), Attributes: z.record(z.string(), z.string()).default({}) }),
    ({ QueueName, Attributes }, { queues, url }) => {
      queues.create(QueueName, Attributes);
      return { QueueUrl: url + pathOf(QueueName) };
    },
  ),

  GetQueueUrl: action(z.strictObject({ QueueName: z.string() }), ({ QueueName }, { queues, url }) => ({
    QueueUrl: url + pathOf(queues.require(QueueName).name),
  })),

  ListQueues: action(
    z.strictObject({
      QueueNamePrefix: z.string().default(''),
      MaxResults: z.int().min(1).max(1000).optional(),
      NextToken: z.string().default(''),
    }),
    ({ QueueNamePrefix, MaxResults, NextToken }, { queues, url }) => {
      const found = queues.list(QueueNamePrefix, NextToken, MaxResults ?? 1000);
      const more = found.length === MaxResults && queues.list(QueueNamePrefix, found.at(-1) ?? '', 1).length > 0;
      return { QueueUrls: found.map((name) => url + pathOf(name)), ...(more ? { NextToken: found.at(-1) } : {}) };
    },
  ),

  DeleteQueue: action(z.strictObject({ QueueUrl }), (input, { queues, messages }) => {
    const queue = queueOf(input, queues);
    messages.removeAll(queue);
    queues.remove(queue.name);
    return {};
  }),

  PurgeQueue: action(z.strictObject({ QueueUrl }), (input, { queues, messages }) => {
    messages.removeAll(queueOf(input, queues));
    return {};
  }),

  GetQueueAttributes: action(z.strictObject({ QueueUrl, AttributeNames: names }), (input, { queues, messages }) => {
    const queue = queueOf(input, queues);
    const { visible, in_flight, delayed } = messages.counts(queue);
    const all: Record<string, string> = {
      ...writeAttributes(queue.attributes),
      QueueArn: arnOf(queue.name),
      CreatedTimestamp: `${Math.floor(queue.createdAt / 1000)}`,
      LastModifiedTimestamp: `${Math.floor(queue.modifiedAt / 1000)}`,
      ApproximateNumberOfMessages: `${visible}`,
      ApproximateNumberOfMessagesNotVisible: `${in_flight}`,
      ApproximateNumberOfMessagesDelayed: `${delayed}`,
    };
    return { Attributes: pick(all, input.AttributeNames) };
  }),

  SetQueueAttributes: action(z.strictObject({ QueueUrl, Attributes: z.record(z.string(), z.string()) }), (input, { queues }) => {
    queues.setAttributes(queueOf(input, queues), input.Attributes);
    return {};
  }),

  SendMessage: action(z.strictObject({ QueueUrl, ...message }), ({ QueueUrl, ...message }, { queues, messages }) =>
    messages.write(() => send(queueOf({ QueueUrl }, queues), message, messages)),
  ),

  SendMessageBatch: action(batchOf(message), (input, { queues, messages }) => {
    const queue = queueOf(input, queues);
    const size = input.Entries.reduce((sum, { MessageBody }) => sum + Buffer.byteLength(MessageBody), 0);
    if (size > 1_048_576)
      throw new SqsError('BatchRequestTooLong', `Batch requests cannot be longer than 1048576 bytes; this has ${size}`);
    return messages.together(() => batch(input.Entries, ({ Id: _, ...message }) => send(queue, message, messages)));
  }),

  ReceiveMessage: async (input, { queues, messages, signal }) => {
    const asked = parse(receiveSchema, input);
    const queue = queueOf(asked, queues);
    const { ReceiveMessageWaitTimeSeconds: waitSeconds, VisibilityTimeout: visibilitySeconds } = queue.attributes;
    const options = {
      most: asked.MaxNumberOfMessages,
      waitSeconds: asked.WaitTimeSeconds ?? waitSeconds,
      visibilitySeconds: asked.VisibilityTimeout ?? visibilitySeconds,
    };
    const deliveries = await messages.receive(queue, options, signal);
    const attributes = [...asked.AttributeNames, ...asked.MessageSystemAttributeNames];
    if (deliveries.length === 0) return { output: {} };
    return {
      output: { Messages: deliveries.map((delivery) => received(delivery, attributes)) },
      undelivered: () => messages.giveBack(queue, deliveries),
    };
  },

  DeleteMessage: action(z.strictObject({ QueueUrl, ReceiptHandle }), (input, { queues, messages }) =>
    messages.write(() => {
      messages.remove(queueOf(input, queues), input.ReceiptHandle);
      return {};
    }),
  ),

  DeleteMessageBatch: action(batchOf({ ReceiptHandle }), (input, { queues, messages }) => {
    const queue = queueOf(input, queues);
    const remove = ({ ReceiptHandle }: { ReceiptHandle: string }) => {
      messages.remove(queue, ReceiptHandle);
      return {};
    };
    return messages.together(() => batch(input.Entries, remove));
  }),

  ChangeMessageVisibility: action(z.strictObject({ QueueUrl, ReceiptHandle, VisibilityTimeout }), (input, { queues, messages }) =>
    messages.write(() => {
      messages.changeVisibility(queueOf(input, queues), input.ReceiptHandle, input.VisibilityTimeout);
      return {};
    }),
  ),

  ChangeMessageVisibilityBatch: action(batchOf({ ReceiptHandle, VisibilityTimeout }), (input, { queues, messages }) => {
    const queue = queueOf(input, queues);
    return batch(input.Entries, (entry) => {
      messages.changeVisibility(queue, entry.ReceiptHandle, entry.VisibilityTimeout);
      return {};
    });
  }),
};

function action<T extends z.ZodType>(schema: T, run: (input: z.output<T>, context: Context) => object | Promise<object>): Action {
  return async (input, context) => ({ output: await run(parse(schema, input), context) });
}

/** @throws SqsError that names the first parameter at fault */
function parse<T extends z.ZodType>(schema: T, input: unknown): z.output<T> {
  const { success, data, error } = schema.safeParse(input, { reportInput: true });
  if (success) return data;
  const [issue] = error.issues;
  const path = issue?.path.join('.') ?? '';
  if (issue?.code === 'unrecognized_keys') {
    throw new SqsError(
      'UnsupportedOperation',
      `this server does not know ${[path, issue.keys.join(', ')].filter(Boolean).join('.')}`,
    );
  }
  if (issue?.input === undefined) throw new SqsError('MissingParameter', `The request must contain the parameter ${path}.`);
  throw new SqsError('InvalidParameterValue', `Invalid value for the parameter ${path}. Reason: ${issue.message}`);
}

function queueOf({ QueueUrl }: { QueueUrl: string }, queues: Queues): QueueRow {
  return queues.require(/^https?:\/\/[^/]+\/\d{12}\/([\w-]+)$/.exec(QueueUrl)?.[1] ?? '');
}

function send(queue: QueueRow, { MessageBody, DelaySeconds, MessageGroupId }: Message, messages: Messages) {
  const most = queue.attributes.MaximumMessageSize;
  if (MessageBody === '') throw new SqsError('MissingParameter', 'The request must contain the parameter MessageBody.');
  if (Buffer.byteLength(MessageBody) > most) {
    throw new SqsError(
      'InvalidParameterValue',
      `One or more parameters are invalid. Reason: Message must be shorter than ${most} bytes.`,
    );
  }
  // https://www.w3.org/TR/REC-xml/#charsets
  if (/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u.test(MessageBody)) {
    throw new SqsError('InvalidMessageContents', 'The message contains characters outside the allowed set.');
  }
  const MessageId = messages.send(queue, MessageBody, { delaySeconds: DelaySeconds, group: MessageGroupId });
  return { MessageId, MD5OfMessageBody: md5(MessageBody) };
}

/** Does each entry for itself: one that fails does not keep the others from being done. */
function batch<T extends { Id: string }>(entries: T[], run: (entry: T) => object) {
  if (entries.length === 0) throw new SqsError('EmptyBatchRequest', 'There should be at least one entry in the request.');
  if (entries.length > 10) {
    throw new SqsError(
      'TooManyEntriesInBatchRequest',
      `Maximum number of entries per request are 10. You have sent ${entries.length}.`,
    );
  }
  if (new Set(entries.map(({ Id }) => Id)).size < entries.length) {
    throw new SqsError('BatchEntryIdsNotDistinct', 'Two or more batch entries in the request have the same Id.');
  }
  if (!entries.every(({ Id }) => /^[\w-]{1,80}$/.test(Id))) {
    throw new SqsError(
      'InvalidBatchEntryId',
      'A batch entry id can only contain alphanumeric characters, hyphens and underscores. 1 to 80 in length.',
    );
  }
  const Successful: object[] = [];
  const Failed: object[] = [];
  for (const entry of entries) {
    const { Id } = entry;
    try {
      Successful.push({ Id, ...run(entry) });
    } catch (error) {
      if (!(error instanceof SqsError)) throw error;
      Failed.push({ Id, SenderFault: true, Code: error.queryCode, Message: error.message });
    }
  }
  return { Successful, Failed };
}

function received(delivery: Delivery, attributes: string[]) {
  const all = {
    SenderId: 'local',
    SentTimestamp: `${delivery.sentAt}`,
    ApproximateReceiveCount: `${delivery.receiveCount}`,
    ApproximateFirstReceiveTimestamp: `${delivery.firstReceivedAt}`,
    ...(delivery.group === undefined ? {} : { MessageGroupId: delivery.group }),
    ...(delivery.source === undefined ? {} : { DeadLetterQueueSourceArn: delivery.source }),
  };
  return {
    MessageId: delivery.id,
    ReceiptHandle: delivery.receipt,
    Body: delivery.body,
    MD5OfBody: md5(delivery.body),
    ...(attributes.length > 0 ? { Attributes: pick(all, attributes) } : {}),
  };
}

function pick(all: Record<string, string>, wanted: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => wanted.includes('All') || wanted.includes(name)));
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
