/** Which number of a LoRA a tensor holds. */
export interface LoraKey {
  module: string;
  part: 'down' | 'up' | 'alpha';
}

/** How a trainer names a LoRA's tensors. */
export interface LoraFormat {
  /** What a tensor's name means; undefined if it is not of this format. */
  parseKey(key: string): LoraKey | undefined;
  /** Alphas that the metadata gives instead of tensors. @throws InputError `bad_lora`, `unsupported_lora` */
  alphas?(metadata: Readonly<Record<string, string>>): (module: string, rank: number) => number | undefined;
}
