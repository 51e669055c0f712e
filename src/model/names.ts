import { badModel } from "../base/errors.ts";
import type { ModelConfig } from "./config.ts";
import type { LayerWeights } from "./weights.ts";

/** A tensor that a checkpoint must have (or may have): its spellings, the usual one first, and its shape. */
export interface Wanted {
  names: readonly string[];
  shape: readonly number[]; // [outputs, inputs], or [length]
  optional: boolean;
  exact: boolean; // kept in float32 whatever the type of the weights: vectors, and gates
}

type Plain = Exclude<keyof LayerWeights, "alpha" | "borrowed" | "probe">;
export type LayerTable = Record<Plain, Wanted | null> & {
  alpha: { norm: Wanted; proj: Wanted; bias: Wanted } | null;
};

/** Every tensor of a checkpoint by the place where its weights go; null: this configuration has none there. */
export interface TensorTable {
  embed: Wanted;
  head: Wanted | null; // null: tied to embed
  norm: Wanted;
  layers: LayerTable[];
}

const one = (name: string, ...shape: number[]): Wanted => ({
  names: [name],
  shape,
  optional: false,
  exact: shape.length === 1,
});

export const EMBEDDING = "model.embed_tokens.weight";
export const HEAD = "lm_head.weight";

/** The names that transformers gives to Llama, Qwen2 and Qwen3, and NVIDIA's reference to DMS gates. */
export function tensorTable(config: ModelConfig): TensorTable {
  const { vocabulary, hidden, layers } = config;
  return {
    embed: one(EMBEDDING, vocabulary, hidden),
    head: config.tied ? null : one(HEAD, vocabulary, hidden),
    norm: one("model.norm.weight", hidden),
    layers: Array.from({ length: layers }, (_, i) => layerTable(config, `model.layers.${i}`)),
  };
}

function layerTable(c: ModelConfig, at: string): LayerTable {
  const queries = c.queryHeads * c.headDim;
  const keys = c.kvHeads * c.headDim;
  const weight = (name: string, ...shape: number[]) => one(`${at}.${name}.weight`, ...shape);
  const bias = (on: boolean, name: string, length: number) => (on ? one(`${at}.${name}.bias`, length) : null);
  return {
    inputNorm: weight("input_layernorm", c.hidden),
    q: weight("self_attn.q_proj", queries, c.hidden),
    k: weight("self_attn.k_proj", keys, c.hidden),
    v: weight("self_attn.v_proj", keys, c.hidden),
    o: weight("self_attn.o_proj", c.hidden, queries),
    qBias: bias(c.biases.qkv, "self_attn.q_proj", queries),
    kBias: bias(c.biases.qkv, "self_attn.k_proj", keys),
    vBias: bias(c.biases.qkv, "self_attn.v_proj", keys),
    oBias: bias(c.biases.output, "self_attn.o_proj", c.hidden),
    qNorm: c.headNorm ? weight("self_attn.q_norm", c.headDim) : null,
    kNorm: c.headNorm ? weight("self_attn.k_norm", c.headDim) : null,
    postNorm: weight("post_attention_layernorm", c.hidden),
    gate: weight("mlp.gate_proj", c.intermediate, c.hidden),
    up: weight("mlp.up_proj", c.intermediate, c.hidden),
    down: weight("mlp.down_proj", c.hidden, c.intermediate),
    gateBias: bias(c.biases.mlp, "mlp.gate_proj", c.intermediate),
    upBias: bias(c.biases.mlp, "mlp.up_proj", c.intermediate),
    downBias: bias(c.biases.mlp, "mlp.down_proj", c.hidden),
    alpha: gateTable(c, `${at}.self_attn.dms_proj_alpha`),
  };
}

/**
 * A gate of its own. Its logit is scaled by 100 before its sign decides, so it is never rounded to bf16. Both spellings
 * occur in the wild: a module's parameter, and the bare tensor.
 */
function gateTable({ dms, kvHeads, hidden }: ModelConfig, at: string): LayerTable["alpha"] {
  if (!dms || dms.borrowed) return null;
  return {
    norm: { names: [`${at}_norm.weight`, `${at}_norm`], shape: [hidden], optional: false, exact: true },
    proj: { names: [`${at}.weight`, at], shape: [kvHeads, hidden], optional: false, exact: true },
    bias: { names: [`${at}.bias`], shape: [kvHeads], optional: true, exact: true },
  };
}

/** All entries of a table, in the order of the checkpoint: embedding, layers, head. */
export function entries({ embed, head, norm, layers }: TensorTable): Wanted[] {
  const all = [
    embed,
    ...layers.flatMap(({ alpha, ...plain }) => [...Object.values(plain), ...gates(alpha)]),
    norm,
    head,
  ];
  return all.filter((wanted) => wanted !== null);
}

const gates = (alpha: LayerTable["alpha"]): Wanted[] => (alpha ? [alpha.norm, alpha.proj, alpha.bias] : []);

/** Buffers that older versions of transformers saved: tables that follow from config.json. */
export const isTable = (name: string): boolean =>
  /(^|\.)rotary_emb\.((original_)?inv_freq|cos_cached|sin_cached)$/.test(name);

/**
 * Modules that sit beside a language model and take no part in what it writes: a trainer's value head, eyes and ears.
 */
export const isBeside = (name: string): boolean =>
  /^(.*\.)?(v_head|value_head|vision_tower|vision_model|visual|audio_tower|multi_modal_projector)\./.test(name);

/**
 * Names that a decoder's tensor may end with; what stands before it stands before the
 * whole decoder. The usual one first.
 */
const ANCHORS = [
  "embed_tokens.weight",
  "layers.0.input_layernorm.weight", // where a tied embedding was saved as the head
  "layers.0.self_attn.dms_proj_alpha.weight", // an adapter has gates alone
  "layers.0.self_attn.dms_proj_alpha",
];
const USUAL = "model.";

const endings = (names: readonly string[], ending: string): string[] =>
  names.filter((name) => name === ending || name.endsWith(`.${ending}`));

/**
 * A file's tensors by the names that `tensorTable` uses. Other savers put other words before them: none (a save of the
 * base model), `module.` (data parallel), `_orig_mod.` (torch.compile), `base_model.model.` (PEFT), `language_model.`
 * (a model that sees). Throws `bad-model` where there are several decoders.
 */
export function byUsualName(names: readonly string[]): Map<string, string> {
  const prefix = decoderPrefix(names);
  const found = new Map<string, string>();
  for (const name of names)
    if (name.startsWith(prefix) && /^(embed_tokens|layers|norm)\./.test(name.slice(prefix.length)))
      found.set(USUAL + name.slice(prefix.length), name);
  const heads = endings(names, HEAD);
  if (heads.length === 1) found.set(HEAD, heads[0]);
  return found;
}

function decoderPrefix(names: readonly string[]): string {
  for (const anchor of ANCHORS) {
    const found = endings(names, anchor);
    if (found.length > 1)
      throw badModel(`the tensors are of several models (${found.slice(0, 5).join(", ")}): expected one ${anchor}`);
    if (found.length === 1) return found[0].slice(0, -anchor.length);
  }
  return USUAL;
}
