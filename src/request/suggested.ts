import { HyperthinkError } from "../base/errors.ts";
import { checkSampling, greedy, type Sampling } from "../engine/sampling.ts";
import { brief } from "../model/brief.ts";

/** How a checkpoint's generation_config.json says that it is sampled. */
export interface Suggested {
  /** Fields that it names; those that are missing are left to the caller. */
  sampling: Partial<Sampling>;
  /** Text that takes the place of an end of thinking that comes too early; null: it names none. */
  nudge: string | null;
  /** What it says that is not applied. */
  notes: string[];
}

const FIELDS = {
  temperature: "temperature",
  top_k: "topK",
  top_p: "topP",
  min_p: "minP",
  repetition_penalty: "repetitionPenalty",
} as const;

/**
 * Settings of transformers that change its tokens and that this engine has not, each with the values that change
 * nothing.
 */
const OTHERS: Record<string, readonly unknown[]> = {
  num_beams: [1],
  penalty_alpha: [0],
  dola_layers: [],
  typical_p: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  no_repeat_ngram_size: [0],
  encoder_repetition_penalty: [1],
  encoder_no_repeat_ngram_size: [0],
  min_length: [0],
  min_new_tokens: [0],
  bad_words_ids: [],
  suppress_tokens: [],
  begin_suppress_tokens: [],
  forced_decoder_ids: [],
  forced_bos_token_id: [],
  forced_eos_token_id: [],
  sequence_bias: [],
  exponential_decay_length_penalty: [],
  guidance_scale: [1],
  watermarking_config: [],
  stop_strings: [],
};

const FILE = "generation_config.json";

/**
 * Sampling as transformers reads it: greedy where do_sample is false, whatever else is there; temperature 1 where it
 * samples and names none. Fields that do not say whether to sample are kept for a caller who does. A missing top_k
 * means all, not that library's 50.
 */
export function suggestedSampling(json: unknown): Suggested {
  const raw = (json ?? {}) as Record<string, unknown>;
  const sampling: Partial<Sampling> = {};
  const notes: string[] = [];
  for (const [key, field] of Object.entries(FIELDS)) {
    const value = raw[key];
    if (value === undefined || value === null) continue;
    const why = typeof value === "number" ? fault(field, value) : `${field} must be a number`;
    if (why === null) sampling[field] = value as number;
    else notes.push(`${FILE}: ${key} ${brief(value)} is ignored: ${why}`);
  }
  const { do_sample: sample } = raw;
  if (sample === true) sampling.temperature ??= 1;
  else if (sample === false) sampling.temperature = 0;
  else delete sampling.temperature;
  if (sample !== undefined && sample !== null && typeof sample !== "boolean")
    notes.push(`${FILE}: do_sample ${brief(sample)} is ignored: expected true or false`);
  const others = Object.entries(OTHERS).filter(([key, neutral]) => {
    const value = raw[key] ?? null;
    return value !== null && !neutral.includes(value) && !(Array.isArray(value) && value.length === 0);
  });
  if (others.length)
    notes.push(
      `${FILE}: ${others.map(([key]) => `${key} ${brief(raw[key])}`).join(", ")}: not applied, this engine has no such setting` +
        `${raw.stop_strings ? " (stop texts are given by --stop)" : ""}`,
    );
  return { sampling, nudge: nudgeOf(raw.thinking_nudge, notes), notes };
}

function nudgeOf(value: unknown, notes: string[]): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" && value !== "" && value.length <= 1000) return value;
  notes.push(`${FILE}: thinking_nudge ${brief(value)} is ignored: expected a text of up to 1000 characters`);
  return null;
}

function fault(field: keyof Sampling, value: number): string | null {
  try {
    checkSampling({ ...greedy, [field]: value });
    return null;
  } catch (error) {
    if (error instanceof HyperthinkError) return error.message;
    throw error;
  }
}
