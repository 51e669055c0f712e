import { greedy, type Sampling } from "../engine/sampling.ts";

/** Sampling that was used, and who named each field: the caller, the checkpoint's generation_config.json, or nobody. */
export interface SamplingUsed extends Sampling {
  from: Record<keyof Sampling, "given" | "generation_config" | "default">;
}

/** Field by field: what the caller gave, else what the checkpoint suggests, else the default. */
export function chooseSampling(
  given: Partial<Sampling>,
  suggested: Partial<Sampling>,
  fallback: Sampling,
): SamplingUsed {
  const from = {} as SamplingUsed["from"];
  const chosen = {} as Record<keyof Sampling, number | null>;
  for (const name of Object.keys(greedy) as (keyof Sampling)[]) {
    // Only for log-probabilities does null mean something.
    const isGiven = name === "logprobs" ? given.logprobs !== undefined : given[name] != null;
    from[name] = isGiven ? "given" : suggested[name] !== undefined ? "generation_config" : "default";
    chosen[name] = { given, generation_config: suggested, default: fallback }[from[name]][name]!;
  }
  return { ...(chosen as Sampling), from };
}
