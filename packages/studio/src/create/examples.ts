import type { Model } from '@loraloom/client';

/** The emoji base knows its own captions and nothing else; it is told by its resolution, for its name is the operator's. */
const small = ['red apple, blue background', 'sunflower, pink background', 'cat, green background', 'rocket, white background'];

const usual = [
  'a lighthouse above a stormy sea at dusk',
  'a fox asleep in autumn leaves, soft morning light',
  'a bowl of ramen on a wooden table, steam rising',
  'a quiet street in Lisbon after the rain',
];

/** Prompts that the model is good at. They are in English, as the models' captions are. */
export const examplesFor = ({ resolution }: Model): readonly string[] => (resolution < 256 ? small : usual);
