import { z } from "zod";
import { unsupported } from "../base/errors.ts";
import { MERGE } from "./advice.ts";
import { brief } from "./brief.ts";
import { or, read } from "./config.ts";
import { modulePattern } from "./pattern.ts";

/** What adapter_config.json of a PEFT LoRA says of its numbers. */
export interface LoraConfig {
  /** Rank and scale of a module, such as `model.layers.0.self_attn.q_proj`. */
  of(module: string): { rank: number; scale: number };
  /** `target_modules`, where it is a list that nothing narrows: each module that ends so has tensors. */
  targets: readonly string[];
  /** What it was trained over, for people: a path, or a name on a hub. */
  base: string | null;
}

const rank = z
  .int()
  .min(1)
  .max(1 << 16);

const shape = z.object({
  r: rank,
  lora_alpha: z.number(),
  use_rslora: or(z.boolean(), false),
  rank_pattern: or(z.record(z.string(), rank), {}),
  alpha_pattern: or(z.record(z.string(), z.number()), {}),
  target_modules: z.union([z.array(z.string()), z.string()]).nullish(),
  base_model_name_or_path: z.string().nullish(),
});

const NOWHERE = "it has no merged form, and cannot be run here";

/** Keys that change what is computed, and what to do. */
const REFUSED: Record<string, string> = {
  use_dora: MERGE,
  lora_bias: MERGE,
  bias: MERGE,
  fan_in_fan_out: MERGE,
  modules_to_save: MERGE,
  trainable_token_indices: MERGE,
  target_parameters: MERGE,
  layer_replication: MERGE,
  use_bdlora: MERGE,
  kasa_config: MERGE,
  monteclora_config: MERGE,
  velora_config: MERGE,
  use_qalora: NOWHERE,
  alora_invocation_tokens: NOWHERE,
  arrow_config: NOWHERE,
};

/** Keys of training and of the library, whatever they hold. */
const IDLE = new Set(
  `auto_mapping inference_mode ensure_weight_tying exclude_modules init_lora_weights layers_pattern layers_to_transform
  loftq_config eva_config corda_config lora_ga_config megatron_config runtime_config`.split(/\s+/),
);

/** Beginnings that leave the base model as it is; others train over weights that were changed first. */
const BEGINNINGS: readonly unknown[] = [undefined, null, true, false, "gaussian", "eva", "orthogonal", "mica"];

const isSet = (value: unknown): boolean =>
  typeof value === "object" && value !== null
    ? Object.keys(value).length > 0
    : ![undefined, null, false, "none"].includes(value as undefined);

/**
 * Throws `bad-model` for values that make no sense, `unsupported` for adapters that are no plain LoRA, by the key that
 * says so.
 */
export function parseLoraConfig(json: object, file: string): LoraConfig {
  const all = json as Record<string, unknown>;
  const refuse = (key: string, advice: string) => unsupported(`${file}: ${key} ${brief(all[key])}: ${advice}`);
  if (all.peft_type !== "LORA") throw refuse("peft_type", `expected "LORA"; another adapter's weights: ${MERGE}`);
  for (const [key, advice] of Object.entries(REFUSED))
    if (isSet(all[key])) throw refuse(key, `expected a plain LoRA without it: ${advice}`);
  if (!BEGINNINGS.includes(all.init_lora_weights))
    throw refuse(
      "init_lora_weights",
      "it was trained over a base model that this beginning had changed: save it as a plain LoRA (peft: save_pretrained with path_initial_model_for_weight_conversion)",
    );
  const raw = read(shape, json, file);
  for (const [key, value] of Object.entries(json))
    if (!IDLE.has(key) && !Object.hasOwn(shape.shape, key) && isSwitch(value))
      throw refuse(key, `a setting that is not known here: if it changes what the adapter computes, ${MERGE}`);
  const ranks = patterns(raw.rank_pattern, `${file}: rank_pattern`);
  const alphas = patterns(raw.alpha_pattern, `${file}: alpha_pattern`);
  const targets = raw.target_modules;
  const narrowed = ["exclude_modules", "layers_to_transform", "layers_pattern"].some((key) => isSet(all[key]));
  return {
    of(module) {
      const rank = ranks(module) ?? raw.r;
      const alpha = alphas(module) ?? raw.lora_alpha;
      return { rank, scale: alpha / (raw.use_rslora ? Math.sqrt(rank) : rank) };
    },
    targets: Array.isArray(targets) && !narrowed ? targets : [],
    base: raw.base_model_name_or_path ?? null,
  };
}

/** Numbers and words of a later version of PEFT stand there with their defaults; what is switched on does not. */
const isSwitch = (value: unknown): boolean => value === true || (typeof value === "object" && isSet(value));

const MOST_EXPRESSIONS = 64;

/** The value of the first pattern that picks a module. */
function patterns(values: Record<string, number>, what: string): (module: string) => number | undefined {
  const keys = Object.keys(values);
  const expressions = keys.filter((key) => !/^[\w.]+$/.test(key));
  if (expressions.length > MOST_EXPRESSIONS)
    throw unsupported(
      `${what}: expected at most ${MOST_EXPRESSIONS} regular expressions beside names, got ${expressions.length}`,
    );
  const picks = keys.map((key) => ({ picks: pattern(key, what), value: values[key] }));
  return (module) => picks.find(({ picks }) => picks(module))?.value;
}

function pattern(key: string, what: string): (name: string) => boolean {
  try {
    return modulePattern(key);
  } catch (error) {
    throw unsupported(`${what}: ${(error as Error).message}`);
  }
}
