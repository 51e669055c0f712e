import { z } from "zod";
import { badModel, unsupported } from "../base/errors.ts";
import { brief } from "./brief.ts";

/**
 * The keys of config.json that RoPE reads, in both spellings: transformers 4 (`rope_theta`,
 * `rope_scaling`) and 5 (`rope_parameters`).
 */
export interface RopeSettings {
  rope_theta?: unknown;
  rope_scaling?: unknown;
  rope_parameters?: unknown;
}

const positive = z.number().positive().max(1e15);
const parameters = z.looseObject({
  rope_type: z.string().nullish(),
  type: z.string().nullish(),
  rope_theta: positive.nullish(),
  partial_rotary_factor: z.number().nullish(),
});
const llama3 = z.object({
  factor: positive,
  low_freq_factor: positive,
  high_freq_factor: positive,
  original_max_position_embeddings: positive,
});

/**
 * Inverse frequencies [headDim / 2]; llama3 scaling after Llama 3.1's own rule. Other
 * RoPE types: `unsupported`, by name.
 */
export function ropeFrequencies(headDim: number, settings: RopeSettings): Float32Array {
  const given = settings.rope_parameters ?? settings.rope_scaling ?? {};
  // Transformers 5 may list parameters by layer type; only full attention is run.
  const full = (given as { full_attention?: unknown }).full_attention;
  const raw = parse(parameters, full ?? given, "rope settings");
  const theta = parse(positive, raw.rope_theta ?? settings.rope_theta ?? 10000, "rope_theta");
  const type = raw.rope_type ?? raw.type ?? (raw.factor == null ? "default" : null);
  if (type === null)
    throw badModel(
      `config.json: rope settings with a factor (${brief(raw.factor)}) and no rope_type: expected default or llama3`,
    );
  if ((raw.partial_rotary_factor ?? 1) !== 1)
    throw unsupported(`config.json: partial_rotary_factor ${raw.partial_rotary_factor}: expected 1`);
  const base = Array.from({ length: headDim / 2 }, (_, i) => theta ** ((-2 * i) / headDim));
  if (type === "default") return Float32Array.from(base);
  if (type !== "llama3")
    throw unsupported(
      `config.json: RoPE type ${brief(type)}: expected default or llama3; long-context variants such as YaRN are not run`,
    );
  const s = parse(llama3, raw, "llama3 rope settings");
  const { low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: original } = s;
  if (high <= low) throw badModel(`config.json: high_freq_factor (${high}) must be above low_freq_factor (${low})`);
  return Float32Array.from(base, (frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < original / high) return frequency;
    if (wavelength > original / low) return frequency / s.factor;
    const smooth = (original / wavelength - low) / (high - low);
    return ((1 - smooth) * frequency) / s.factor + smooth * frequency;
  });
}

function parse<T extends z.ZodType>(schema: T, value: unknown, what: string): z.infer<T> {
  const result = schema.safeParse(value ?? {});
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw badModel(`config.json: ${[what, ...issue.path].join(".")}: ${issue.message}, got ${brief(value)}`);
}
