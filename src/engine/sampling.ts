import { badArgument } from "../base/errors.ts";
import type { Device, F32, I32, U32 } from "../device/device.ts";
import { MAX_TOP, SAMPLER } from "../device/ops.ts";

/** How the next token is drawn. Filters act in the order top-k, top-p, min-p, after penalty and temperature. */
export interface Sampling {
  temperature: number; // 0: greedy
  topK: number; // 0: all
  topP: number; // 1: all
  minP: number; // 0: all
  repetitionPenalty: number; // 1: none
  seed: number;
  /** Log-probabilities of this many best tokens per step (0: of the drawn one alone), null: none. */
  logprobs: number | null;
}

export const greedy: Sampling = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  seed: 0,
  logprobs: null,
};

/** Throws `bad-argument` naming the first value that is out of range. */
export function checkSampling(s: Sampling): void {
  const must = (name: keyof Sampling, ok: boolean, expected: string): void => {
    if (!ok) throw badArgument(`${name} must be ${expected}, got ${s[name]}`);
  };
  must("temperature", s.temperature >= 0 && s.temperature <= 100, "a number from 0 (greedy) to 100");
  must("topK", Number.isInteger(s.topK) && s.topK >= 0 && s.topK < 2 ** 31, "a whole number >= 0 (0: all)");
  must("topP", s.topP > 0 && s.topP <= 1, "a number above 0 and up to 1");
  must("minP", s.minP >= 0 && s.minP <= 1, "a number from 0 to 1");
  must(
    "repetitionPenalty",
    s.repetitionPenalty >= 0.01 && s.repetitionPenalty <= 100,
    "a number from 0.01 to 100 (1: none)",
  );
  must("seed", Number.isSafeInteger(s.seed) && s.seed >= 0, "a whole number from 0 to 2^53 - 1");
  const n = s.logprobs;
  must(
    "logprobs",
    n === null || (Number.isInteger(n) && n >= 0 && n <= MAX_TOP),
    `null or a whole number from 0 to ${MAX_TOP}`,
  );
}

/** What the device draws by, a row per sampler, and what it drew, a row per draw. */
export interface Samplers {
  real: F32; // [samplers, SAMPLER]
  whole: U32; // [samplers, SAMPLER]
  seen: U32; // [samplers, ceil(V / 32)]
  drawn: { ids: I32; logprob: F32; topIds: I32; topLogprobs: F32 };
}

export const makeSamplers = (device: Device, samplers: number, vocabulary: number, draws: number): Samplers => ({
  real: device.f32(samplers * SAMPLER),
  whole: device.u32(samplers * SAMPLER),
  seen: device.u32(samplers * Math.ceil(vocabulary / 32)),
  drawn: {
    ids: device.i32(draws),
    logprob: device.f32(draws),
    topIds: device.i32(draws * MAX_TOP),
    topLogprobs: device.f32(draws * MAX_TOP),
  },
});

/** Writes one sampler, which has seen nothing yet; `chain` sets apart chains that share a seed. */
export function writeSampler({ real, whole, seen }: Samplers, slot: number, s: Sampling, chain: number): void {
  real.host.set([s.temperature, s.topP, s.minP, s.repetitionPenalty], slot * SAMPLER);
  whole.host.set([s.topK, s.seed >>> 0, Math.floor(s.seed / 2 ** 32), chain], slot * SAMPLER);
  for (const table of [real, whole]) table.wrote(slot * SAMPLER, SAMPLER);
  if (s.repetitionPenalty === 1) return; // seen is not read
  const words = (seen.length * SAMPLER) / real.length;
  seen.host.fill(0, slot * words, (slot + 1) * words);
  seen.wrote(slot * words, words);
}

/** Marks tokens as seen, for the repetition penalty. */
export function markSeen({ real, seen }: Samplers, slot: number, s: Sampling, ids: readonly number[]): void {
  if (s.repetitionPenalty === 1) return;
  const words = (seen.length * SAMPLER) / real.length;
  for (const id of ids) {
    const word = slot * words + (id >>> 5);
    seen.host[word] |= 1 << (id & 31);
    seen.wrote(word, 1);
  }
}
