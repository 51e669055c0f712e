import { z } from "zod";
import { badModel, unsupported } from "../base/errors.ts";
import { AS_ADAPTER } from "./advice.ts";
import { brief } from "./brief.ts";
import { type RopeSettings, ropeFrequencies } from "./rope.ts";

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
  /** Of config.json and generation_config.json; a session adds the tokenizer's and the chat template's. */
  eosIds: number[];
  bosId: number | null;
  dms: DmsConfig | null;
}

/** The `dms_*` keys (NVIDIA Model-Optimizer, experimental/dms). */
export interface DmsConfig {
  scale: number; // dms_alpha_scale
  offset: number; // dms_initial_alpha_offset
  window: number; // dms_window_size
  borrowed: boolean; // gate = last channel of the first query head of each group (dms_separate_alpha false)
  perLayer: boolean; // head 0 decides for its layer
  shift: 0 | 1; // dms_label_shift
  cr: number; // what the checkpoint was trained for
}

const count = (most: number) => z.int().min(1).max(most);
/** Python writes null for what was not set: a key that is null is as one that is not there. */
export const or = <T>(schema: z.ZodType<T>, fallback: T) => schema.nullish().transform((value) => value ?? fallback);
const id = z.int().min(0);
const ids = z.union([id, z.array(id).max(64)], "expected a token id or a list of them").nullish();

const shape = z.object({
  model_type: z.string().nullish(),
  architectures: z.array(z.string()).nullish(),
  vocab_size: count(1 << 22),
  hidden_size: count(1 << 17),
  intermediate_size: count(1 << 20),
  num_hidden_layers: count(1024),
  num_attention_heads: count(4096),
  num_key_value_heads: count(4096).nullish(),
  head_dim: count(4096).nullish(),
  rms_norm_eps: or(z.number().positive().max(1), 1e-6),
  max_position_embeddings: or(count(1 << 26), 2048),
  tie_word_embeddings: z.boolean().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  hidden_act: z.string().nullish(),
  use_sliding_window: z.boolean().nullish(),
  sliding_window: z.int().nullish(),
  max_window_layers: z.int().min(0).nullish(),
  layer_types: z.array(z.string()).nullish(),
  partial_rotary_factor: z.number().nullish(),
  quantization_config: z.looseObject({ quant_method: z.string().nullish() }).nullish(),
  eos_token_id: ids,
  bos_token_id: ids,
});

const gateShape = z.object({
  dms_alpha_scale: or(z.number(), 100),
  dms_initial_alpha_offset: or(z.number(), 5),
  dms_window_size: or(
    z
      .int()
      .min(0)
      .max(1 << 24),
    512,
  ),
  dms_separate_alpha: or(z.boolean(), false),
  dms_alpha_per: or(z.enum(["head", "layer"]), "head"),
  dms_label_shift: or(z.union([z.literal(0), z.literal(1)]), 1),
  dms_cr: or(z.number().min(1).max(1e6), 8),
  dms_disable_eviction: or(z.boolean(), false),
});

/** Throws `bad-model` for a value that makes no sense, `unsupported` for a model that this engine does not run. */
export function parseConfig(json: unknown, generationJson: unknown = null): ModelConfig {
  // First: what other architectures call their sizes is not this engine's to ask for.
  const named = read(shape.pick({ model_type: true, architectures: true }), json, "config.json");
  if (!named.model_type && !named.architectures?.length && hasGates(json))
    throw badModel(`config.json has dms_* keys and no architecture: gates, ${AS_ADAPTER}`);
  const architecture = architectureOf(named);
  const raw = read(shape, json, "config.json");
  const queryHeads = raw.num_attention_heads;
  const kvHeads = raw.num_key_value_heads ?? queryHeads;
  if (queryHeads % kvHeads)
    throw badModel(
      `config.json: num_attention_heads (${queryHeads}) must be a multiple of num_key_value_heads (${kvHeads})`,
    );
  if (raw.head_dim == null && raw.hidden_size % queryHeads)
    throw badModel(
      `config.json: hidden_size (${raw.hidden_size}) must be a multiple of num_attention_heads (${queryHeads}), or head_dim given`,
    );
  const headDim = raw.head_dim ?? raw.hidden_size / queryHeads;
  if (headDim % 2) throw badModel(`config.json: head_dim must be even for RoPE, got ${headDim}`);
  refuse(raw);
  const generation = read(z.object({ eos_token_id: ids }), generationJson ?? {}, "generation_config.json");
  return {
    architecture,
    vocabulary: raw.vocab_size,
    hidden: raw.hidden_size,
    intermediate: raw.intermediate_size,
    layers: raw.num_hidden_layers,
    queryHeads,
    kvHeads,
    headDim,
    normEps: raw.rms_norm_eps,
    contextLength: raw.max_position_embeddings,
    tied: raw.tie_word_embeddings ?? false,
    biases: {
      qkv: architecture === "qwen2" || raw.attention_bias === true,
      output: architecture !== "qwen2" && raw.attention_bias === true,
      mlp: architecture === "llama" && raw.mlp_bias === true,
    },
    headNorm: architecture === "qwen3",
    frequencies: ropeFrequencies(headDim, json as RopeSettings),
    eosIds: [...new Set([raw.eos_token_id ?? [], generation.eos_token_id ?? []].flat())],
    bosId: [raw.bos_token_id ?? []].flat()[0] ?? null,
    dms: parseGates(json),
  };
}

/** A model's config with the gates of an adapter folder laid over it: their tensors are separate ones by nature. */
export function applyAdapter(config: ModelConfig, adapterJson: unknown): ModelConfig {
  const dms = parseGates(adapterJson);
  if (!dms) throw badModel("the adapter's config.json: expected dms_* keys, found none; is it a DMS adapter folder?");
  if (dms.borrowed && (adapterJson as { dms_separate_alpha?: unknown }).dms_separate_alpha === false)
    throw badModel(
      "the adapter's config.json: expected dms_separate_alpha true: a borrowed gate has no tensors of its own",
    );
  if (config.dms) throw badModel("the model has DMS gates of its own: an adapter cannot be laid over them");
  return { ...config, dms: { ...dms, borrowed: false } };
}

export const hasGates = (json: unknown): boolean =>
  typeof json === "object" && json !== null && Object.keys(json).some((key) => key.startsWith("dms_"));

function parseGates(json: unknown): DmsConfig | null {
  if (!hasGates(json)) return null;
  const raw = read(gateShape, json, "config.json");
  return {
    scale: raw.dms_alpha_scale,
    // A checkpoint whose eviction is disabled keeps its form (a borrowed channel is zeroed all the same) but dooms
    // nothing: no logit reaches this offset, which is finite in float32.
    offset: raw.dms_disable_eviction ? 1e30 : raw.dms_initial_alpha_offset,
    window: raw.dms_window_size,
    borrowed: !raw.dms_separate_alpha,
    perLayer: raw.dms_alpha_per === "layer",
    shift: raw.dms_label_shift,
    cr: raw.dms_disable_eviction ? 1 : raw.dms_cr,
  };
}

/** By model_type; where that is missing or one of DMS's own (qwen3_dms), by the class that `architectures` names. */
function architectureOf(raw: Pick<z.infer<typeof shape>, "model_type" | "architectures">): ModelConfig["architecture"] {
  const type = raw.model_type || null;
  const classes = raw.architectures ?? [];
  for (const known of ["llama", "qwen2", "qwen3"] as const) {
    const named = classes.some((name) => name.toLowerCase().startsWith(`${known}forcausallm`));
    if (type === known || ((type === null || type === `${known}_dms`) && named)) return known;
  }
  throw unsupported(
    `architecture ${brief([type, ...classes].filter(Boolean).join(" / ") || "(none named)")}: expected model_type llama, qwen2 or qwen3 (dense decoders)`,
  );
}

function refuse(raw: z.infer<typeof shape>): void {
  if (raw.hidden_act && raw.hidden_act !== "silu")
    throw unsupported(`config.json: hidden_act ${brief(raw.hidden_act)}: expected silu`);
  const sliding = raw.layer_types?.find((type) => type !== "full_attention");
  if (sliding) throw unsupported(`config.json: layer type ${brief(sliding)}: expected full_attention in every layer`);
  // Without layer_types, transformers slides in the layers from max_window_layers on.
  const first = raw.layer_types ? raw.num_hidden_layers : (raw.max_window_layers ?? 0);
  if (raw.use_sliding_window && raw.sliding_window && first < raw.num_hidden_layers)
    throw unsupported(
      `config.json: sliding-window attention is in use (sliding_window ${raw.sliding_window}): expected full attention`,
    );
  if ((raw.partial_rotary_factor ?? 1) !== 1)
    throw unsupported(`config.json: partial_rotary_factor ${raw.partial_rotary_factor}: expected 1`);
  if (raw.quantization_config)
    throw unsupported(
      `config.json: quantization_config (quant_method ${brief(raw.quantization_config.quant_method ?? undefined)}): expected plain F32, F16 or BF16 weights`,
    );
}

/** Throws `bad-model` that names the file, the key and what stands there. */
export function read<T extends z.ZodType>(schema: T, json: unknown, file: string): z.infer<T> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const value = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], json);
  throw badModel(`${file}: ${issue.path.join(".") || "the file"}: ${issue.message}, got ${brief(value)}`);
}
