export { encodeDiffusers, writeDiffusers } from './diffusers.ts';
export { inspectLora, type LoraReport } from './inspect.ts';
export { encodeKohya, writeKohya } from './kohya.ts';
export { type Lora, type LoraModule, loraFrom, type WriteOptions } from './lora.ts';
export { readLora } from './read.ts';
