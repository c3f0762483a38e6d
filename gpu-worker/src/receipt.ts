import type { Receipt, Sampler } from '@loraloom/jobs';
import type { PngText } from './png.ts';

/** As A1111's web UI calls them. */
const samplers: Record<Sampler, string> = {
  ddim: 'DDIM',
  pndm: 'PLMS',
  euler: 'Euler',
  euler_a: 'Euler a',
  dpmpp_2m: 'DPM++ 2M',
  dpmpp_2m_karras: 'DPM++ 2M Karras',
  unipc: 'UniPC',
  lcm: 'LCM',
};

/** What goes into a picture's PNG file: `parameters` for people and other programs, `loraloom` for POST /v1/images. */
export function receiptTexts(receipt: Receipt): PngText[] {
  return [
    { keyword: 'parameters', text: parameters(receipt) },
    { keyword: 'loraloom', text: JSON.stringify(receipt), chunk: 'iTXt' },
  ];
}

/** In the form of A1111's web UI (modules/processing.py, create_infotext), which galleries and other UIs read. */
function parameters(receipt: Receipt): string {
  const { loras, negative_prompt, image } = receipt;
  // Two weights are the text encoder's and the UNet's, in this order.
  const tags = loras.map(({ name, weight, text_weight = weight }) =>
    text_weight === weight ? ` <lora:${name}:${weight}>` : ` <lora:${name}:${text_weight}:${weight}>`,
  );
  const settings = {
    Steps: receipt.steps,
    Sampler: samplers[receipt.sampler],
    'CFG scale': receipt.guidance_scale,
    Seed: receipt.seed,
    Size: `${receipt.width}x${receipt.height}`,
    Model: receipt.model,
    ...(image ? { 'Denoising strength': image.strength } : {}),
    // As civitai.com looks them up: the first ten digits of the file's SHA-256
    ...(loras.length > 0
      ? { Hashes: JSON.stringify(Object.fromEntries(loras.map(({ name, digest }) => [`lora:${name}`, digest.slice(0, 10)]))) }
      : {}),
    Version: `loraloom ${receipt.engine_version}`,
  };
  return [
    receipt.prompt + tags.join(''),
    ...(negative_prompt === '' ? [] : [`Negative prompt: ${negative_prompt}`]),
    Object.entries(settings)
      .map(([name, value]) => `${name}: ${value}`)
      .join(', '),
  ].join('\n');
}
