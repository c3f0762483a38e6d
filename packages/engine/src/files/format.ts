import type { LoraDType } from './lora.ts';

/** Which number of a LoRA a tensor holds. */
export interface LoraKey {
  module: string;
  part: 'down' | 'up' | 'alpha';
}

/** How a trainer names a LoRA's tensors. */
export interface LoraFormat {
  name: string;
  /** What a tensor's name means; undefined if it is not of this format. */
  parseKey(key: string): LoraKey | undefined;
  /** Alphas that the metadata gives instead of tensors. @throws InputError `bad_lora`, `unsupported_lora` */
  alphas?(metadata: Readonly<Record<string, string>>): (module: string, rank: number) => number | undefined;
}

export interface WriteOptions {
  /** How numbers are stored: as in the LoRA's own file, or F16. */
  dtype?: LoraDType;
  /**
   * `folded` multiplies alpha / rank into `up`, so that alpha equals the rank of every layer: readers that know only one alpha a
   * file, or none, are right too. `kept` gives the numbers back as they were read, to the bit.
   */
  alpha?: 'folded' | 'kept';
}
