/**
 * One step of Lion (arXiv 2302.06675, algorithm 2). Parameters and momentum change in place.
 * @param momentum of the gradients, as long as the parameters, at first zero
 */
export function lion(
  parameters: Float32Array,
  gradients: Float32Array,
  momentum: Float32Array,
  {
    learningRate,
    beta1 = 0.9,
    beta2 = 0.99,
    weightDecay = 1e-2,
  }: { learningRate: number; beta1?: number; beta2?: number; weightDecay?: number },
): void {
  for (let i = 0; i < parameters.length; i++) {
    // In bounds by the loop; the compiler cannot know it, and a check here would halve the speed.
    const g = gradients[i] as number;
    const m = momentum[i] as number;
    const p = parameters[i] as number;
    parameters[i] = p - learningRate * (Math.sign(beta1 * m + (1 - beta1) * g) + weightDecay * p);
    momentum[i] = beta2 * m + (1 - beta2) * g;
  }
}
