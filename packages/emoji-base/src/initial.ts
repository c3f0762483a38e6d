import { type Parameters, parameters, type Shape } from '@loraloom/engine';

/**
 * Starting values as PyTorch's layers have them: uniform in ±1/√fan_in, norms at one, embeddings normal with deviation 0.02;
 * the layers that end a residual branch begin at zero, so that the network begins as the identity (arXiv 1706.02677).
 * @param normal,uniform draw from a seeded generator; `uniform` in 0 … 1
 */
export function initialParameters(shapes: readonly Shape[], random: { normal(): number; uniform(): number }): Parameters {
  const fans = new Map(shapes.map(([name, dims]) => [name.replace(/\.weight$/, ''), dims.slice(1).reduce((a, b) => a * b, 1)]));
  return parameters(shapes, ({ name, dims }) => {
    const size = dims.reduce((a, b) => a * b, 1);
    if (/embedding\.weight$/.test(name) && dims.length === 2)
      return Float32Array.from({ length: size }, () => random.normal() * 0.02);
    if (/norm[^.]*\.(weight|bias)$/.test(name)) return new Float32Array(size).fill(name.endsWith('weight') ? 1 : 0);
    if (/(conv2|proj_out|unet\.conv_out)\.(weight|bias)$/.test(name)) return new Float32Array(size);
    const bound = 1 / Math.sqrt(fans.get(name.replace(/\.(weight|bias)$/, '')) || 1);
    return Float32Array.from({ length: size }, () => (random.uniform() * 2 - 1) * bound);
  });
}
