export { encodeDiffusersLora, encodeLora } from './encode-lora.ts';
export { metadataOf } from './metadata.ts';
export { type Captioned, captionOf, type Options, trainingOf } from './options.ts';
export { best, runTraining, type Sample, type Saved, type TrainerStep } from './run-training.ts';
