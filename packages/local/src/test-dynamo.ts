import { z } from 'zod';

const valueSchema = z.union([
  z.strictObject({ N: z.string().regex(/^-?\d+$/) }),
  z.strictObject({ S: z.string() }),
  z.strictObject({ SS: z.array(z.string()).min(1) }),
]);
type Value = z.infer<typeof valueSchema>;
type Item = Record<string, Value>;

const key = { TableName: z.string(), Key: z.strictObject({ account: z.strictObject({ S: z.string().min(1).max(2048) }) }) };
const getSchema = z.strictObject({ ...key, ConsistentRead: z.boolean() });
const updateSchema = z.strictObject({
  ...key,
  UpdateExpression: z.string(),
  ConditionExpression: z.string(),
  ExpressionAttributeNames: z.record(z.string().regex(/^#\w+$/), z.string()),
  ExpressionAttributeValues: z.record(z.string().regex(/^:\w+$/), valueSchema),
  ReturnValues: z.literal('ALL_NEW'),
  ReturnValuesOnConditionCheckFailure: z.literal('ALL_OLD'),
});

/**
 * A table of DynamoDB behind `fetch`: GetItem and UpdateItem, whose expressions are parsed and evaluated as its developer guide
 * defines them (Expressions.OperatorsAndFunctions, Expressions.UpdateExpressions), as far as strings, whole numbers and sets of strings go.
 */
export function testDynamo() {
  const items = new Map<string, Item>();
  const targets: string[] = [];

  const answer = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    if (!/^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/us-east-1\/dynamodb\//.test(request.headers.get('authorization') ?? ''))
      return refusal(400, 'IncompleteSignatureException');
    const target = request.headers.get('x-amz-target') ?? '';
    targets.push(target);
    const body: unknown = await request.json();
    // Requests travel for a while, and not all for as long.
    await new Promise((resolve) => setTimeout(resolve, (targets.length * 7) % 5));
    if (target === 'DynamoDB_20120810.GetItem') {
      const Item = items.get(getSchema.parse(body).Key.account.S);
      return Response.json(Item ? { Item } : {});
    }
    if (target !== 'DynamoDB_20120810.UpdateItem') return refusal(400, 'UnknownOperationException');
    const update = updateSchema.parse(body);
    const old = items.get(update.Key.account.S);
    const expressions = evaluator(update.ExpressionAttributeNames, update.ExpressionAttributeValues, old ?? {});
    const holds = expressions.condition(update.ConditionExpression);
    const Attributes = { ...update.Key, ...expressions.update(update.UpdateExpression) };
    expressions.requireAllUsed();
    if (!holds) return refusal(400, 'ConditionalCheckFailedException', old ? { Item: old } : {});
    items.set(update.Key.account.S, Attributes);
    return Response.json({ Attributes });
  };
  return { fetch: answer, items, targets };
}

function refusal(status: number, name: string, more: object = {}): Response {
  return Response.json({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message: name, ...more }, { status });
}

function evaluator(names: Record<string, string>, values: Item, item: Item) {
  const used = new Set<string>();
  const look = <T>(table: Record<string, T>, token: string): T => {
    used.add(token);
    const found = table[token];
    if (found === undefined) throw new Error(`ValidationException: ${token} is not defined`);
    return found;
  };
  const path = (token: string) => look(names, token);
  const operand = (token: string): Value | undefined => (token.startsWith('#') ? item[path(token)] : look(values, token));

  /** OR binds weaker than AND, that weaker than NOT. Every part is evaluated, so that every name in it is looked up. */
  function condition(text: string): boolean {
    const tokens = tokensOf(text);
    const next = (wanted?: string): string => {
      const token = tokens.shift() ?? '';
      if (wanted !== undefined && token !== wanted) throw new Error(`ValidationException: want ${wanted}, not ${token}`);
      return token;
    };
    const chain = (word: string, part: () => boolean, join: (a: boolean, b: boolean) => boolean) => {
      let result = part();
      while (tokens[0] === word) {
        next();
        result = join(result, part());
      }
      return result;
    };
    const or = (): boolean => chain('OR', and, (a, b) => a || b);
    const and = (): boolean => chain('AND', not, (a, b) => a && b);
    function not(): boolean {
      if (tokens[0] !== 'NOT') return primary();
      next();
      return !not();
    }
    function primary(): boolean {
      const token = next();
      if (token === '(') {
        if (tokens[0] === '(' && tokens[closing(tokens) + 1] === ')')
          throw new Error('ValidationException: The expression has redundant parentheses');
        const result = or();
        next(')');
        return result;
      }
      if (token === 'attribute_not_exists') {
        next('(');
        const result = item[path(next())] === undefined;
        next(')');
        return result;
      }
      if (token === 'contains') {
        next('(');
        const set = operand(next());
        next(',');
        const element = operand(next());
        next(')');
        return set !== undefined && 'SS' in set && element !== undefined && 'S' in element && set.SS.includes(element.S);
      }
      const left = token === 'size' ? size() : numberOf(operand(token));
      const comparator = next();
      const right = numberOf(operand(next()));
      // A comparison with an attribute that is not there is false.
      if (left === undefined || right === undefined) return false;
      if (comparator === '<') return left < right;
      if (comparator === '<=') return left <= right;
      throw new Error(`ValidationException: ${comparator}`);
    }
    function size(): number | undefined {
      next('(');
      const set = operand(next());
      next(')');
      return set && 'SS' in set ? set.SS.length : undefined;
    }
    const result = or();
    if (tokens.length > 0) throw new Error(`ValidationException: ${tokens.join(' ')}`);
    return result;
  }

  function update(text: string): Item {
    const changed = { ...item };
    const clauses = text.split(/\b(SET|ADD|DELETE)\b/).slice(1);
    for (let i = 0; i < clauses.length; i += 2) {
      if (clauses.indexOf(clauses[i] ?? '') !== i) throw new Error(`ValidationException: two clauses ${clauses[i]}`);
      for (const action of (clauses[i + 1] ?? '').split(',')) {
        const [, name = '', equals, token = ''] = /^\s*(#\w+)\s*(=?)\s*(:\w+)\s*$/.exec(action) ?? [];
        if ((clauses[i] === 'SET') !== (equals === '=')) throw new Error(`ValidationException: ${action}`);
        const value = look(values, token);
        const attribute = path(name);
        const result = clauses[i] === 'SET' ? value : combine(clauses[i] ?? '', changed[attribute], value);
        if (result) changed[attribute] = result;
        else delete changed[attribute];
      }
    }
    return changed;
  }

  function requireAllUsed(): void {
    const unused = [...Object.keys(names), ...Object.keys(values)].filter((token) => !used.has(token));
    if (unused.length > 0) throw new Error(`ValidationException: unused in expressions: ${unused.join(', ')}`);
  }
  return { condition, update, requireAllUsed };
}

function tokensOf(text: string): string[] {
  const tokens = text.match(/[#:]?\w+|<=|[<(),]/g) ?? [];
  if (tokens.join('') !== text.replaceAll(' ', '')) throw new Error(`ValidationException: ${text}`);
  return tokens;
}

/** Where the parenthesis that the first token opens is closed. */
function closing(tokens: string[]): number {
  let depth = 0;
  return tokens.findIndex((token) => {
    depth += token === '(' ? 1 : token === ')' ? -1 : 0;
    return depth === 0;
  });
}

function numberOf(value: Value | undefined): number | undefined {
  return value && 'N' in value ? Number(value.N) : undefined;
}

/** ADD and DELETE; a set without elements is no attribute. */
function combine(keyword: string, old: Value | undefined, value: Value): Value | undefined {
  if (keyword === 'ADD' && 'N' in value) return { N: `${(numberOf(old) ?? 0) + Number(value.N)}` };
  const set = old && 'SS' in old ? old.SS : [];
  if (!('SS' in value)) throw new Error('ValidationException: want a number or a set');
  if (keyword === 'ADD') return { SS: [...new Set([...set, ...value.SS])] };
  const left = set.filter((element) => !value.SS.includes(element));
  return left.length > 0 ? { SS: left } : undefined;
}
