import { z } from 'zod';
import { trainingRequestSchema } from './training-request.ts';

const path = z.string().min(1);
const optionsSchema = trainingRequestSchema.omit({
  model: true,
  name: true,
  files: true,
  prior_files: true,
  continue_from: true,
  // Of a training on a server, which is told in a request.
  webhook_url: true,
  webhook_events: true,
});

/** What a settings file may say: a request's options, and where on this machine pictures, base and results lie. */
export const settingsSchema = z.strictObject({
  train_data_dir: path.meta({ description: 'folder of pictures' }),
  metadata_path: path.optional().meta({
    description: 'CSV of file names and captions; default: metadata.csv in that folder, then the files beside the pictures',
  }),
  caption_extension: z.string().min(1).default('.txt').meta({ description: 'Ending of captions in files beside the pictures' }),
  reg_data_dir: path.optional().meta({ description: 'Folder of prior-preservation pictures, with captions as above' }),
  base_model: path.meta({ description: 'base: a single .safetensors file, a diffusers folder, or a registered model’s name' }),
  network_weights: path.optional().meta({ description: 'A LoRA file to train on from' }),
  output_dir: path.meta({ description: 'folder that the LoRA and the checkpoints go to' }),
  output_name: z.string().min(1).optional().meta({ description: 'Name of kohya’s file; default: the folder’s' }),
  ...optionsSchema.shape,
});

/** What a settings file says, every option under its one name, defaults filled in. */
export type TrainingFile = z.output<typeof settingsSchema>;
export type Setting = keyof TrainingFile;
