/** First and second moments of the gradients, as long as the parameters they belong to, and the number of steps taken. */
export interface AdamWState {
  first: Float32Array;
  second: Float32Array;
  step: number;
}

export interface AdamWOptions {
  learningRate: number;
  beta1?: number;
  beta2?: number;
  epsilon?: number;
  weightDecay?: number;
}

export const adamWState = (length: number): AdamWState => ({
  first: new Float32Array(length),
  second: new Float32Array(length),
  step: 0,
});

/**
 * One step of AdamW (arXiv 1711.05101, algorithm 2, as PyTorch computes it). Parameters and moments change in place, since at
 * hundreds of megabytes a copy would cost more than the arithmetic.
 * @returns the state, one step on
 */
export function adamW(parameters: Float32Array, gradients: Float32Array, state: AdamWState, options: AdamWOptions): AdamWState {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 1e-2 } = options;
  const { first, second } = state;
  const step = state.step + 1;
  const size = learningRate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  const keep = 1 - learningRate * weightDecay;
  for (let i = 0; i < parameters.length; i++) {
    // In bounds by the loop; the compiler cannot know it, and a check here would halve the speed.
    const g = gradients[i] as number;
    const m = beta1 * (first[i] as number) + (1 - beta1) * g;
    const v = beta2 * (second[i] as number) + (1 - beta2) * g * g;
    first[i] = m;
    second[i] = v;
    parameters[i] = keep * (parameters[i] as number) - (size * m) / (Math.sqrt(v) * correction + epsilon);
  }
  return { first, second, step };
}
