/** A kind of adapter that looks like a LoRA; read as one it would give wrong pictures. */
export interface Unsupported {
  /** For programs. */
  kind: string;
  /** For people. */
  words: string;
}

/** By the names of their tensors. */
const unsupported: [RegExp, kind: string, words: string][] = [
  [/\.dora_scale$|\.lora_magnitude_vector/, 'dora', 'a DoRA'],
  [/\.hada_t[12]$|\.lora_mid\.|\.lokr_t2$|\.(?:lora_)?cp(?:\.|$)/, 'tucker', 'an adapter with Tucker decomposition'],
  [/\.hada_/, 'loha', 'a LoHa'],
  [/\.lokr_/, 'lokr', 'a LoKr'],
  [/\.oft_|\.boft_/, 'oft', 'an OFT adapter'],
  [/\.on_input$|\.ia3_/, 'ia3', 'an IA3 adapter'],
  [/\.(?:a1|a2|b1|b2|bm1|bm2)\.weight$/, 'glora', 'a GLoRA'],
  [/\.vera_lambda_/, 'vera', 'a VeRA adapter'],
  [/\.diff(?:_b)?$|\.[wb]_norm$/, 'difference', 'a file of whole weight differences'],
  [/\.scalar$/, 'scalar', 'a LoRA with trained scalars'],
  [/^bundle_emb\./, 'embeddings', 'a LoRA bundled with embeddings'],
  [/\.lora_embedding_[AB]/, 'embedding_lora', 'a LoRA on the embedding of tokens'],
  [/\.lora_[AB](?:\.default)?\.bias$|\.lora_(?:down|up)\.bias$/, 'bias', 'a LoRA with biases'],
  [/^lora_te3_|^text_encoder_3\./, 'text_encoder_3', 'a LoRA for Stable Diffusion 3 or later'],
  [
    /^(?:lora_)?transformer[._]|^diffusion_model\.|^lora_unet_(?:double|single|joint)_blocks/,
    'transformer',
    'a LoRA for a diffusion transformer',
  ],
  [/^base_model\.model\.(?:model|transformer)\./, 'language_model', 'a LoRA for a language model'],
];

/** The kind of adapter that a tensor of this name gives away, if it is none that we can apply. */
export function unsupportedKind(key: string): Unsupported | undefined {
  for (const [pattern, kind, words] of unsupported) if (pattern.test(key)) return { kind, words };
  return undefined;
}
