import { join } from 'node:path';
import { autoencoderObjective, randomFrom, vaeShapes } from '@loraloom/engine';
import { resolution, vaeConfig } from './architecture.ts';
import { compose } from './compose.ts';
import { iconNames, renderedIcons } from './icons.ts';
import { initialParameters } from './initial.ts';
import { advance, cosineRate, loadState, saver, type TrainingState } from './state.ts';

const batch = 8;
/** Trained on windows of this many pixels: four times the steps in the same time, and a convolutional network does not mind. */
const side = 64;

/** Trains the autoencoder on every icon of the base sets over random colours. Yields once a step. */
export async function* trainAutoencoder(
  folder: string,
  steps: number,
): AsyncGenerator<{ step: number; loss: number }, TrainingState> {
  const path = join(folder, 'vae.safetensors');
  const state = await loadState(path, initialParameters(vaeShapes(vaeConfig), randomFrom(1)));
  if (state.moments.step >= steps) return state;
  const icons: Uint8Array[] = [];
  for (const set of ['noto', 'fluent-emoji-flat', 'fluent-emoji-high-contrast'] as const)
    icons.push(...(await renderedIcons(folder, set, iconNames(set), resolution)));
  const objective = await autoencoderObjective(vaeConfig, state.parameters, batch, side, 1e-5);
  const pixels = 3 * side * side;
  const latent = side / 8;
  const save = saver(path, steps, 60);
  while (state.moments.step < steps) {
    const random = randomFrom(2, state.moments.step);
    const pictures = new Float32Array(batch * pixels);
    for (let i = 0; i < batch; i++) {
      const icon = icons[random.integer(icons.length)];
      const colour = [random.uniform() * 255, random.uniform() * 255, random.uniform() * 255] as const;
      const shift = () => random.integer(13) - 6;
      const window = { left: random.integer(resolution - side + 1), top: random.integer(resolution - side + 1), side };
      if (icon)
        pictures.set(
          compose(
            icon,
            resolution,
            colour,
            { flip: random.uniform() < 0.5, right: shift(), down: shift(), scale: 0.7 + 0.3 * random.uniform() },
            window,
          ),
          i * pixels,
        );
    }
    const noise = random.fillNormal(new Float32Array(batch * 4 * latent * latent));
    const { loss, gradients } = await objective.evaluate(state.parameters, {
      pictures: { data: pictures, dims: [batch, 3, side, side] },
      noise: { data: noise, dims: [batch, 4, latent, latent] },
    });
    const learningRate = 6e-4 * cosineRate(state.moments.step, steps);
    advance(state, gradients, { learningRate, weightDecay: 1e-4, decay: 0.995 });
    yield { step: state.moments.step, loss };
    await save(state);
  }
  await objective.close();
  return state;
}
