/** Which number of a LoRA a tensor holds. */
export interface LoraKey {
  module: string;
  part: 'down' | 'up' | 'alpha';
}

/** What a LoRA adds to one layer, as far as it is told by the shapes of its two halves. */
export interface LoraSizes {
  rank: number;
  inFeatures: number;
  outFeatures: number;
  /** Height and width, if the layer is a convolution. */
  kernel?: readonly [number, number];
}

/** How a trainer names a LoRA's tensors. */
export interface LoraFormat {
  name: string;
  /** What a tensor's name means; undefined if it is not of this format. */
  parseKey(key: string): LoraKey | undefined;
  /** Alphas that the metadata gives instead of tensors. @throws InputError `bad_lora`, `unsupported_lora` */
  alphas?(metadata: Readonly<Record<string, string>>): (module: string, rank: number) => number | undefined;
}
