import { ddim } from './ddim.ts';
import { euler } from './euler.ts';
import type { SamplerKind } from './sampler.ts';

/** The samplers by the names that requests use. */
export const samplers = { ddim, euler } satisfies Record<string, SamplerKind>;

export type SamplerName = keyof typeof samplers;

export type { Sampler, SampleState } from './sampler.ts';
