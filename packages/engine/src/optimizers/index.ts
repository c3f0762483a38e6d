import { adamW, adamWState } from './adamw.ts';
import { lion } from './lion.ts';
import { prodigy, prodigyState } from './prodigy.ts';

/** All that an optimizer remembers, so that a checkpoint can hold it: steps taken, arrays as long as the parameters, and numbers. */
export interface OptimizerState {
  step: number;
  arrays: Readonly<Record<string, Float32Array>>;
  numbers: Readonly<Record<string, number>>;
}

interface Optimizer {
  begin(parameters: Float32Array): OptimizerState;
  /** One step; parameters and arrays change in place. @returns the state, one step on */
  step(parameters: Float32Array, gradients: Float32Array, state: OptimizerState, options: StepOptions): OptimizerState;
}

interface StepOptions {
  learningRate: number;
  /** What part of a parameter, times the learning rate, goes with each step. */
  weightDecay: number;
}

function arrayOf({ arrays }: OptimizerState, name: string): Float32Array {
  const array = arrays[name];
  if (!array) throw new Error(`the optimizer's ${name} are missing; there are ${Object.keys(arrays)}`);
  return array;
}

export type OptimizerName = 'adamw' | 'lion' | 'prodigy';

/** The optimizers by the names that requests use. */
export const optimizers: Record<OptimizerName, Optimizer> = {
  adamw: {
    begin(parameters) {
      const { first, second } = adamWState(parameters.length);
      return { step: 0, arrays: { first, second }, numbers: {} };
    },
    step(parameters, gradients, state, options) {
      const moments = { first: arrayOf(state, 'first'), second: arrayOf(state, 'second'), step: state.step };
      return { ...state, step: adamW(parameters, gradients, moments, options).step };
    },
  },
  lion: {
    begin: (parameters) => ({ step: 0, arrays: { momentum: new Float32Array(parameters.length) }, numbers: {} }),
    step(parameters, gradients, state, options) {
      lion(parameters, gradients, arrayOf(state, 'momentum'), options);
      return { ...state, step: state.step + 1 };
    },
  },
  prodigy: {
    begin(parameters) {
      const { distance, numerator, ...arrays } = prodigyState(parameters);
      return { step: 0, arrays, numbers: { distance, numerator } };
    },
    step(parameters, gradients, state, options) {
      const [first, second, sum, start] = ['first', 'second', 'sum', 'start'].map((name) => arrayOf(state, name));
      const { distance, numerator } = state.numbers;
      if (!first || !second || !sum || !start || distance === undefined || numerator === undefined)
        throw new Error('the optimizer has not begun');
      const next = prodigy(parameters, gradients, { first, second, sum, start, distance, numerator }, options);
      return { ...state, step: state.step + 1, numbers: { distance: next.distance, numerator: next.numerator } };
    },
  },
};
