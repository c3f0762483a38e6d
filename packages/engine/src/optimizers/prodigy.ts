/** What Prodigy remembers, each array as long as the parameters. */
export interface ProdigyState {
  first: Float32Array;
  second: Float32Array;
  /** Weighted sum of the gradients. */
  sum: Float32Array;
  /** The parameters at the start. */
  start: Float32Array;
  /** The estimated distance from the start to the solution, which is the size of its steps. */
  distance: number;
  numerator: number;
}

const initialDistance = 1e-6;

export const prodigyState = (parameters: Float32Array): ProdigyState => ({
  first: new Float32Array(parameters.length),
  second: new Float32Array(parameters.length),
  sum: new Float32Array(parameters.length),
  start: parameters.slice(),
  distance: initialDistance,
  numerator: 0,
});

/**
 * One step of Prodigy (arXiv 2306.06101, algorithm 4, as its authors' program has it with decoupled weight decay), which finds the
 * learning rate by itself: the one given, usually 1, is a factor. Parameters and arrays change in place.
 * @returns the state, one step on
 */
export function prodigy(
  parameters: Float32Array,
  gradients: Float32Array,
  state: ProdigyState,
  { learningRate, weightDecay = 1e-2 }: { learningRate: number; weightDecay?: number },
): ProdigyState {
  const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];
  const beta3 = Math.sqrt(beta2);
  const { first, second, sum, start, distance: d } = state;
  const rate = d * learningRate;
  const relative = d / initialDistance;
  let product = 0;
  let size = 0;
  for (let i = 0; i < parameters.length; i++) {
    // In bounds by the loop; the compiler cannot know it, and a check here would halve the speed.
    const g = gradients[i] as number;
    product += g * ((start[i] as number) - (parameters[i] as number));
    first[i] = beta1 * (first[i] as number) + (1 - beta1) * d * g;
    second[i] = beta2 * (second[i] as number) + (1 - beta2) * d * d * g * g;
    const s = beta3 * (sum[i] as number) + relative * rate * g;
    sum[i] = s;
    size += Math.abs(s);
  }
  const numerator = beta3 * state.numerator + relative * rate * product;
  // Without a gradient so far, or with a rate of 0, there is nothing to learn a distance from.
  const distance = size > 0 && learningRate > 0 ? Math.max(d, numerator / size) : d;
  for (let i = 0; i < parameters.length; i++) {
    const p = parameters[i] as number;
    const change = (first[i] as number) / (Math.sqrt(second[i] as number) + distance * epsilon);
    parameters[i] = p - weightDecay * rate * p - rate * change;
  }
  return { ...state, distance, numerator };
}
