import { z } from 'zod';
import { SqsError } from './error.ts';

/** Attributes that are whole numbers: the least, the most, and what a queue has if its maker says nothing. */
const numbers = {
  DelaySeconds: [0, 900, 0],
  MaximumMessageSize: [1024, 1_048_576, 1_048_576],
  MessageRetentionPeriod: [60, 1_209_600, 345_600],
  ReceiveMessageWaitTimeSeconds: [0, 20, 0],
  VisibilityTimeout: [0, 43_200, 30],
} as const;
type NumberName = keyof typeof numbers;

export type RedrivePolicy = { deadLetterTargetArn: string; maxReceiveCount: number };
/** What can be said about a queue. Bytes and seconds. */
export type QueueAttributes = Record<NumberName, number> & { RedrivePolicy?: RedrivePolicy | undefined };

const redrivePolicySchema = z.strictObject({
  deadLetterTargetArn: z.string(),
  maxReceiveCount: z.coerce.number().int().min(1).max(1000),
});

export const defaultAttributes: QueueAttributes = {
  DelaySeconds: numbers.DelaySeconds[2],
  MaximumMessageSize: numbers.MaximumMessageSize[2],
  MessageRetentionPeriod: numbers.MessageRetentionPeriod[2],
  ReceiveMessageWaitTimeSeconds: numbers.ReceiveMessageWaitTimeSeconds[2],
  VisibilityTimeout: numbers.VisibilityTimeout[2],
};

/**
 * Attributes as the protocol has them, all text. An empty RedrivePolicy takes the policy away.
 * @throws SqsError
 */
export function parseAttributes(given: Record<string, string>): Partial<QueueAttributes> {
  const parsed: Partial<QueueAttributes> = {};
  for (const [name, text] of Object.entries(given)) {
    if (name === 'RedrivePolicy') parsed.RedrivePolicy = text === '' ? undefined : parseRedrivePolicy(text);
    else if (isNumberName(name)) parsed[name] = parseNumber(name, text);
    else throw new SqsError('InvalidAttributeName', `this server has no attribute ${name}`);
  }
  return parsed;
}

/** The inverse of parseAttributes. */
export function writeAttributes({ RedrivePolicy, ...rest }: QueueAttributes): Record<string, string> {
  const texts = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, `${value}`]));
  return RedrivePolicy ? { ...texts, RedrivePolicy: JSON.stringify(RedrivePolicy) } : texts;
}

function isNumberName(name: string): name is NumberName {
  return Object.hasOwn(numbers, name);
}

function parseNumber(name: NumberName, text: string): number {
  const [least, most] = numbers[name];
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new SqsError('InvalidAttributeValue', `Invalid value for the parameter ${name}: want ${least} to ${most}`);
  }
  return value;
}

function parseRedrivePolicy(text: string): RedrivePolicy {
  try {
    return redrivePolicySchema.parse(JSON.parse(text));
  } catch {
    const wanted = 'want JSON with deadLetterTargetArn and maxReceiveCount (1 to 1000)';
    throw new SqsError('InvalidAttributeValue', `Invalid value for the parameter RedrivePolicy: ${wanted}`);
  }
}
