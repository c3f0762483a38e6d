import { join } from 'node:path';
import { decoderObjective, type Parameters, parameters, randomFrom, views } from '@loraloom/engine';
import { resolution, vaeConfig } from './architecture.ts';
import { compose } from './compose.ts';
import { iconNames, renderedIcons } from './icons.ts';
import { dataset, randomPlacement } from './pictures.ts';
import { advance, cosineRate, loadState, saver } from './state.ts';

const batch = 2;
const pixels = 3 * resolution * resolution;

/** The parameters whose names pass, in an array of their own. */
function part({ values, layout }: Parameters, wanted: (name: string) => boolean): Parameters {
  const places = new Map(layout.map(({ name, begin, end }) => [name, values.subarray(begin, end)]));
  const shapes = layout.filter(({ name }) => wanted(name)).map(({ name, dims }) => [name, dims] as const);
  return parameters(shapes, ({ name }) => places.get(name) ?? []);
}

/**
 * Trains the decoder further on whole pictures, half of them the base's own, while the encoder and so the latents stay: windows
 * are quick to learn from, but their norms are not those of whole pictures, which shows as dull colours. Yields once a step.
 * @param autoencoder where to begin
 * @returns the autoencoder with the decoder's averaged weights
 */
export async function* trainDecoder(
  autoencoder: Parameters,
  folder: string,
  steps: number,
): AsyncGenerator<{ step: number; loss: number }, Parameters> {
  const path = join(folder, 'decoder.safetensors');
  const decoding = (name: string) => /^(decoder|post_quant_conv)\./.test(name);
  const kept = part(autoencoder, (name) => !decoding(name));
  const state = await loadState(path, part(autoencoder, decoding));
  const whole = () => {
    const tuned = { ...state.parameters, values: state.average };
    const places = new Map([...Object.entries(views(kept)), ...Object.entries(views(tuned))]);
    const shapes = autoencoder.layout.map(({ name, dims }) => [name, dims] as const);
    return parameters(shapes, ({ name }) => Array.from(places.get(name)?.data ?? [], Number));
  };
  if (state.moments.step >= steps) return whole();
  const examples = await dataset({ folder, size: resolution });
  const icons: Uint8Array[] = [];
  for (const set of ['noto', 'fluent-emoji-flat', 'fluent-emoji-high-contrast'] as const)
    icons.push(...(await renderedIcons(folder, set, iconNames(set), resolution)));
  const objective = await decoderObjective(vaeConfig, state.parameters, kept, batch, resolution);
  const save = saver(path, steps, 60);
  while (state.moments.step < steps) {
    const random = randomFrom(6, state.moments.step);
    const pictures = new Float32Array(batch * pixels);
    for (let i = 0; i < batch; i++) {
      const placement = randomPlacement(random);
      const icon = icons[random.integer(icons.length)] ?? new Uint8Array();
      const colour = [random.uniform() * 255, random.uniform() * 255, random.uniform() * 255] as const;
      const example = random.uniform() < 0.5 ? examples[random.integer(examples.length)] : undefined;
      pictures.set(example?.planes(placement) ?? compose(icon, resolution, colour, placement), i * pixels);
    }
    const { loss, gradients } = await objective.evaluate(state.parameters, {
      pictures: { data: pictures, dims: [batch, 3, resolution, resolution] },
      ...views(kept),
    });
    const learningRate = 6e-4 * cosineRate(state.moments.step, steps);
    advance(state, gradients, { learningRate, weightDecay: 1e-4, decay: 0.995 });
    yield { step: state.moments.step, loss };
    await save(state);
  }
  await objective.close();
  return whole();
}
