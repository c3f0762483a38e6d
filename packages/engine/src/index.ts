export type { PictureRequest } from './denoise.ts';
export { InputError } from './error.ts';
export { buildDecoder, buildEncoder, type Model, weightsOf } from './families/model.ts';
export { openPipeline, type Pipeline } from './families/pipeline.ts';
export {
  encodeDiffusers,
  encodeKohya,
  inspectLora,
  type LoraReport,
  readLora,
  writeDiffusers,
  writeKohya,
} from './files/index.ts';
export type { Lora } from './files/lora.ts';
export {
  decodeSafetensors,
  encodeSafetensors,
  readHeader,
  readTensors,
  type TensorToStore,
  writeSafetensors,
} from './files/safetensors.ts';
export { type Batch, openBatch, resultOf, type Steps } from './generate.ts';
export { compile, type Numbers, type Program } from './graph/compile.ts';
export { Graph } from './graph/graph.ts';
export type { Tensor } from './graph/tensor.ts';
export type { StartImage } from './image.ts';
export { checkFits, type WeightedLora } from './lora.ts';
export { type AdamWState, adamW, adamWState } from './optimizers/adamw.ts';
export { type Objective, type Parameters, parameters, views } from './parameters.ts';
export { decodeMask, decodePicture, encodePng, type Picture, resizeCover } from './pixels.ts';
export { autoencoderObjective, decoderObjective, denoiserObjective } from './pretrain.ts';
export { type Random, randomFrom } from './random.ts';
export { addNoise, openSchedule, type Schedule, snr, target } from './samplers/schedule.ts';
export { type Shape, textShapes, unetShapes, vaeShapes } from './shapes.ts';
export { openTokenizer, type Tokenizer } from './tokenizer.ts';
export { type StepMemory, stepMemory } from './train/memory.ts';
export { type TrainingStep, trainLora } from './train/train.ts';
export type { Example, Training } from './train/training.ts';
export { version } from './version.ts';
