export { encodeDiffusers, writeDiffusers } from './diffusers.ts';
export type { WriteOptions } from './format.ts';
export { inspectLora, type LoraReport } from './inspect.ts';
export { encodeKohya, writeKohya } from './kohya.ts';
export { type Lora, type LoraModule, loraFrom } from './lora.ts';
export { readLora } from './read.ts';
