import type { Attribute, DType, Node, Op } from './node.ts';
import type { Tensor } from './tensor.ts';

/**
 * Serializes the part of a graph that `outputs` need as an ONNX ModelProto (IR 10, opset 20, and `com.microsoft`).
 * Weights that lie in a file become external data `(file, offset, length)`.
 * Format: github.com/onnx/onnx, onnx/onnx.proto (protocol buffers, proto2).
 * @param outputs by the names that they get
 * @param location the name of a weight file beside the model, from its path
 */
export function toOnnx(
  outputs: Readonly<Record<string, Tensor>>,
  location: (file: string) => string,
): { model: Uint8Array; inputs: Tensor[] } {
  const [nodes, leaves] = needed(Object.values(outputs));
  const inputs = leaves.filter(({ origin }) => 'input' in origin);
  const weights = leaves.filter(({ origin }) => 'source' in origin);
  const results = Object.entries(outputs).map(([name, tensor]) => ({ name, tensor }));
  const graph = message(
    ...nodes.map((node) => field(1, nodeProto(node))),
    // An output gets its own name through an Identity node, since one tensor may be an output twice, or an input too.
    ...results.map(({ name, tensor }) => field(1, message(text(1, tensor.name), text(2, name), text(4, 'Identity')))),
    text(2, 'loraloom'),
    ...weights.map((tensor) => field(5, tensorProto(tensor, location))),
    ...inputs.map((tensor) => field(11, valueInfo(tensor.name, tensor))),
    ...results.map(({ name, tensor }) => field(12, valueInfo(name, tensor))),
  );
  const opset = (domain: string, version: number) => field(8, message(text(1, domain), integer(2, version)));
  const opsets = message(opset('', 20), opset(ownDomain, 1));
  return { model: concatenate(message(integer(1, 10), text(2, 'loraloom'), field(7, graph), opsets)), inputs };
}

/** What is fed to the part of a graph that `outputs` need. */
export const inputsOf = (outputs: readonly Tensor[]): Set<Tensor> =>
  new Set(needed(outputs)[1].filter(({ origin }) => 'input' in origin));

/** The nodes that `outputs` depend on, in topological order, and what is fed to them. */
export function needed(outputs: readonly Tensor[]): [nodes: Node[], leaves: Tensor[]] {
  const wanted = new Set<Node>();
  const leaves = new Set<Tensor>();
  const pending = [...outputs];
  for (let tensor = pending.pop(); tensor; tensor = pending.pop()) {
    if (!('node' in tensor.origin)) leaves.add(tensor);
    else if (!wanted.has(tensor.origin.node)) {
      wanted.add(tensor.origin.node);
      pending.push(...tensor.origin.node.inputs);
    }
  }
  const graph = outputs[0]?.graph;
  return [graph?.nodes.filter((node) => wanted.has(node)) ?? [], [...leaves]];
}

type Chunk = Uint8Array;
type Message = readonly Chunk[];

const elementTypes: Record<DType, number> = { float32: 1, int64: 7, float16: 10, bfloat16: 16 };

/** Operators that are onnxruntime's, not ONNX's. */
const ownDomain = 'com.microsoft';
const own: ReadonlySet<Op> = new Set(['MultiHeadAttention']);

function nodeProto(node: Node): Message {
  return message(
    ...node.inputs.map(({ name }) => text(1, name)),
    ...node.outputs.map(({ name }) => text(2, name)),
    text(4, node.op),
    ...(own.has(node.op) ? [text(7, ownDomain)] : []),
    ...Object.entries(node.attributes).map(([name, attribute]) => field(5, message(text(1, name), ...attributeProto(attribute)))),
  );
}

/** The value and the type code (AttributeProto.AttributeType) of an attribute. */
function attributeProto(attribute: Attribute): Message[] {
  if ('int' in attribute) return [integer(3, attribute.int), integer(20, 2)];
  if ('float' in attribute) return [float(2, attribute.float), integer(20, 1)];
  if ('string' in attribute) return [text(4, attribute.string), integer(20, 3)];
  return [...attribute.ints.map((value) => integer(8, value)), integer(20, 7)];
}

function tensorProto({ name, dims, dtype, origin }: Tensor, location: (file: string) => string): Message {
  if (!('source' in origin)) throw new Error(`${name}: a weight wanted`);
  const { source } = origin;
  const shape = dims.map((dim) => integer(1, dim ?? 0));
  const head = message(...shape, integer(2, elementTypes[dtype]), text(8, name));
  if ('bytes' in source) return message(head, field(9, [source.bytes]));
  const entry = (key: string, value: string) => field(13, message(text(1, key), text(2, value)));
  return message(
    head,
    entry('location', location(source.file)),
    entry('offset', String(source.offset)),
    entry('length', String(source.length)),
    integer(14, 1),
  );
}

function valueInfo(name: string, { dims, dtype }: Tensor): Message {
  // A dimension known at run time needs no name: onnxruntime treats an absent one as unknown.
  const shape = dims.map((dim) => field(1, dim === null ? [] : integer(1, dim)));
  const type = message(integer(1, elementTypes[dtype]), field(2, message(...shape)));
  return message(text(1, name), field(2, field(1, type)));
}

const message = (...parts: Message[]): Message => parts.flat();

/** A length-delimited field. */
function field(number: number, content: Message): Message {
  const length = content.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  return [varint(number * 8 + 2), varint(length), ...content];
}

const text = (number: number, value: string): Message => field(number, [new TextEncoder().encode(value)]);
const integer = (number: number, value: number): Message => [varint(number * 8), varint(value)];
const float = (number: number, value: number): Message => [varint(number * 8 + 5), new Uint8Array(Float32Array.of(value).buffer)];

/** A base-128 integer; negative ones take ten bytes as two's complement of 64 bits. */
function varint(value: number): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  return Uint8Array.from([...bytes, Number(rest)]);
}

function concatenate(chunks: Message): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return whole;
}
