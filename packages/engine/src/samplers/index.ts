import { ddim } from './ddim.ts';
import { dpmpp2m, dpmpp2mKarras } from './dpmpp.ts';
import { euler, eulerAncestral } from './euler.ts';
import { lcm } from './lcm.ts';
import { pndm } from './pndm.ts';
import type { SamplerKind } from './sampler.ts';
import { unipc } from './unipc.ts';

/** The samplers by the names that requests use. */
export const samplers = {
  ddim,
  pndm,
  euler,
  euler_a: eulerAncestral,
  dpmpp_2m: dpmpp2m,
  dpmpp_2m_karras: dpmpp2mKarras,
  unipc,
  lcm,
} satisfies Record<string, SamplerKind>;

export type SamplerName = keyof typeof samplers;

export { type Level, mixed, type Sampler, type SampleState } from './sampler.ts';
