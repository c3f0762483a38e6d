import { fileURLToPath } from 'node:url';

export { decodePicture, encodePng, type Picture } from '@loraloom/engine';
export { type Background, backgrounds } from './backgrounds.ts';
export { backgroundOf } from './colour.ts';
export { contactSheet, drawSheet, type Sheet } from './sheet.ts';
export { plainSubjects, type Subject, subjects } from './subjects.ts';

/** The base model, a diffusers folder. */
export const baseFolder: string = fileURLToPath(new URL('../model', import.meta.url));
/** Captioned pictures in a style that the base has never seen: PNG files and metadata.csv (`file_name,caption`). */
export const styleFolder: string = fileURLToPath(new URL('../style-ink', import.meta.url));
