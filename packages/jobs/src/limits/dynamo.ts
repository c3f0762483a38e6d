import { z } from 'zod';
import { type AwsAccess, AwsError, signedFetch } from '../aws.ts';
import type { Account, Limits } from './port.ts';

const itemSchema = z.record(
  z.string(),
  z.union([
    z.object({ N: z.coerce.number() }).transform(({ N }) => N),
    z.object({ SS: z.array(z.string()) }).transform(({ SS }) => SS),
    z.object({ S: z.string() }).transform(({ S }) => S),
  ]),
);
const answerSchema = z.object({ Attributes: itemSchema.optional(), Item: itemSchema.optional() });
const refusalSchema = z.object({ __type: z.string(), Item: itemSchema.optional() });

/** Attributes of an item: `counter.…`, and these. */
const open = 'open';
const expires = 'expires';

/**
 * Limits in a DynamoDB table with the string key `account` and `expires` as its time to live: an account is an item, and each
 * change one conditional UpdateItem, which DynamoDB carries out one after another for an item.
 * The language of its expressions: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html
 */
export function dynamoLimits(access: AwsAccess, table: string): Limits {
  /** An answer, or undefined with the item as it is if the condition does not hold. */
  async function call(action: string, account: string, input: object): Promise<{ done: boolean; account: Account }> {
    const answer = await signedFetch(access, 'dynamodb', {
      method: 'POST',
      url: `${access.endpoint}/`,
      headers: { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `DynamoDB_20120810.${action}` },
      body: JSON.stringify({ TableName: table, Key: { account: { S: account } }, ...input }),
    });
    const text = await answer.text();
    if (answer.ok) {
      const { Attributes, Item } = answerSchema.parse(JSON.parse(text));
      return { done: true, account: accountOf(Attributes ?? Item) };
    }
    const refusal = answer.status === 400 ? refusalSchema.safeParse(JSON.parse(text)).data : undefined;
    if (!refusal?.__type.endsWith('#ConditionalCheckFailedException'))
      throw new AwsError(`${action} ${account}`, answer.status, text);
    return { done: false, account: accountOf(refusal.Item) };
  }

  const update = (account: string, { adds, deletes = [], sets = [], conditions, names, values }: Update) =>
    call('UpdateItem', account, {
      UpdateExpression: [clause('SET', sets), clause('ADD', adds), clause('DELETE', deletes)].filter(Boolean).join(' '),
      ConditionExpression: conditions.join(' AND '),
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: values,
      ReturnValues: 'ALL_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });

  async function read(account: string): Promise<Account> {
    return (await call('GetItem', account, { ConsistentRead: true })).account;
  }

  return {
    read,

    async charge(account, { add, open: opened, expiresAt }) {
      const wanted: Update = { adds: [], sets: [], conditions: [], names: {}, values: {} };
      for (const [i, [counter, { n, limit }]] of Object.entries(add).entries()) {
        // A counter that is not there yet could take nothing but what fits into its limit.
        const fits = n <= limit ? [`attribute_not_exists(#c${i})`] : [];
        wanted.conditions.push(`(${[...fits, `#c${i} <= :most${i}`].join(' OR ')})`);
        wanted.adds.push(`#c${i} :n${i}`);
        wanted.names[`#c${i}`] = `counter.${counter}`;
        wanted.values[`:n${i}`] = { N: `${n}` };
        wanted.values[`:most${i}`] = { N: `${limit - n}` };
      }
      if (opened) {
        const none = opened.limit > 0 ? ['attribute_not_exists(#open)'] : [];
        wanted.conditions.push(`(${[...none, 'size(#open) < :limit AND NOT contains(#open, :entry)'].join(' OR ')})`);
        wanted.adds.push('#open :entries');
        wanted.names['#open'] = open;
        Object.assign(wanted.values, entryValues(opened.entry), { ':limit': { N: `${opened.limit}` } });
      }
      if (expiresAt !== undefined) {
        wanted.sets?.push('#expires = :expires');
        wanted.names['#expires'] = expires;
        wanted.values[':expires'] = { N: `${Math.ceil(expiresAt)}` };
      }
      const { done, account: after } = await update(account, wanted);
      const repeated = !done && opened !== undefined && after.open.includes(opened.entry);
      return { ...after, charged: done || repeated, repeated };
    },

    async close(account, entry, back = {}) {
      const wanted: Update = {
        adds: [],
        deletes: ['#open :entries'],
        conditions: ['contains(#open, :entry)'],
        names: { '#open': open },
        values: entryValues(entry),
      };
      for (const [i, [counter, n]] of Object.entries(back).entries()) {
        wanted.adds.push(`#c${i} :n${i}`);
        wanted.names[`#c${i}`] = `counter.${counter}`;
        wanted.values[`:n${i}`] = { N: `${-n}` };
      }
      await update(account, wanted);
    },
  };
}

type Update = {
  adds: string[];
  deletes?: string[];
  sets?: string[];
  conditions: string[];
  names: Record<string, string>;
  values: Record<string, object>;
};

/** An entry as `contains` wants it, and as `ADD` and `DELETE` do. */
function entryValues(entry: string) {
  return { ':entry': { S: entry }, ':entries': { SS: [entry] } };
}

function clause(keyword: string, actions: string[]): string {
  return actions.length === 0 ? '' : `${keyword} ${actions.join(', ')}`;
}

function accountOf(item: z.infer<typeof itemSchema> = {}): Account {
  const account: Account = { counters: {}, open: [] };
  for (const [name, value] of Object.entries(item)) {
    if (name === open && Array.isArray(value)) account.open = value;
    if (name.startsWith('counter.') && typeof value === 'number') account.counters[name.slice(8)] = value;
  }
  return account;
}
