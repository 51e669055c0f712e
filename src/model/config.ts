/** What the engine needs to know of a checkpoint; `parseConfig` makes it from config.json. */
export interface ModelConfig {
  architecture: "llama" | "qwen2" | "qwen3";
  vocabulary: number;
  hidden: number;
  intermediate: number;
  layers: number;
  queryHeads: number;
  kvHeads: number;
  headDim: number;
  normEps: number;
  contextLength: number; // max_position_embeddings
  tied: boolean; // lm_head = embed_tokens
  biases: { qkv: boolean; output: boolean; mlp: boolean };
  headNorm: boolean; // Qwen3: RMS norm of each query and key head
  frequencies: Float32Array; // [headDim / 2] RoPE, llama3 scaling applied
  eosIds: number[]; // config.json and generation_config.json together
  bosId: number | null;
  dms: DmsConfig | null;
}

/** The `dms_*` keys (dms.md 3.1). */
export interface DmsConfig {
  scale: number; // dms_alpha_scale
  offset: number; // dms_initial_alpha_offset
  window: number; // dms_window_size
  borrowed: boolean; // gate = last channel of the first query head of each group (dms_separate_alpha false)
  perLayer: boolean; // head 0 decides for its layer
  shift: 0 | 1; // dms_label_shift
  cr: number; // what the checkpoint was trained for
}
