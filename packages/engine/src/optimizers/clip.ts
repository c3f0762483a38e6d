/** Scales gradients down, in place, to a norm of at most `most`, as PyTorch's `clip_grad_norm_` does. @returns their norm before */
export function clipNorm(gradients: Float32Array, most: number): number {
  let sum = 0;
  for (const value of gradients) sum += value * value;
  const norm = Math.sqrt(sum);
  const scale = most / (norm + 1e-6);
  if (scale < 1) for (let i = 0; i < gradients.length; i++) gradients[i] = (gradients[i] ?? 0) * scale;
  return norm;
}
