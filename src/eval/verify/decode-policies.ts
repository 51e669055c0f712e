import { join } from "node:path";
import { badFile } from "../../base/errors.ts";
import { recipes } from "../../policy/index.ts";
import type { PolicyOptions } from "../../policy/policy.ts";
import { farthest, openBench } from "./bench.ts";
import { CHUNKS, type Check, LOGIT_TOLERANCE, type VerifyOptions, within } from "./check.ts";
import { kept } from "./kept.ts";
import { type Golden, readGoldenTensors } from "./tensors.ts";

type Entry = Record<string, unknown>;
interface Spoken {
  policy: string;
  settings: PolicyOptions;
  /** Its cuts in the prompt depend on where chunks end, so only one shot can be compared. */
  oneShot?: boolean;
}

/** How a golden entry is said to our recipes. */
const SPOKEN: Record<string, (entry: (name: string) => number) => Spoken> = {
  full: () => ({ policy: "full", settings: {} }),
  tova: (n) => ({ policy: "tova", settings: { budget: n("budget") } }),
  h2o: (n) => ({ policy: "h2o", settings: { budget: n("heavy") + n("recent"), recent: n("recent") } }),
  streaming_original: (n) => ({ policy: "streaming", settings: { sinks: n("sinks"), recent: n("recent") } }),
  streaming_cache: (n) => ({
    policy: "streaming",
    settings: { sinks: n("sinks"), recent: n("recent"), positions: "cache" },
  }),
  snapkv_decode: (n) => ({
    policy: "snapkv",
    settings: { budget: n("cap"), window: n("window"), every: n("every"), kernel: n("kernel") },
  }),
  rkv: (n) => ({
    policy: "rkv",
    settings: {
      budget: n("budget"),
      buffer: n("buffer"),
      window: n("window"),
      kernel: n("kernel"),
      lambda: n("lam"),
    },
  }),
  dms_budget: (n) => ({
    policy: "dms-budget",
    settings: {
      budget: n("keep") + n("window") + 1,
      buffer: n("capacity") - n("keep") - n("window") - 1,
      window: n("window"),
    },
    oneShot: true,
  }),
};

/** A number of an entry. Throws `bad-file` where it is none. */
export const numberOf =
  (folder: string, name: string, entry: Entry) =>
  (key: string): number => {
    const value = entry[key];
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw badFile(`${folder}/golden.json: ${name}: expected a number ${key}, got ${JSON.stringify(value)}`);
  };

/**
 * Dense prefill, then given tokens one by one: kept sets and logits of each policy;
 * those that do not exist here are UNRUN.
 */
export async function* verifyDecodePolicies(
  folder: string,
  golden: Record<string, unknown>,
  options: VerifyOptions,
): AsyncGenerator<Check> {
  const tensors = await readGoldenTensors(join(folder, "golden.safetensors"));
  const entries = Object.entries((golden.policies ?? {}) as Record<string, Entry>);
  for (const [name, entry] of entries) {
    const spoken = SPOKEN[name]?.(numberOf(folder, name, entry));
    if (!spoken || !recipes.some((recipe) => recipe.name === spoken.policy)) {
      yield { name, status: "UNRUN", detail: "this policy does not exist here" };
      continue;
    }
    const model = join(folder, String(golden[`model_of_${name}`] ?? golden.model));
    const T = tensors.int("prompt").length;
    for (const chunk of spoken.oneShot ? [T] : [T, ...CHUNKS.filter((n) => n < T)])
      yield* verifyPolicy(model, name, spoken, chunk, tensors, options);
  }
}

async function* verifyPolicy(
  model: string,
  name: string,
  { policy, settings }: Spoken,
  chunk: number,
  tensors: Golden,
  options: VerifyOptions,
): AsyncGenerator<Check> {
  const prompt = tensors.int("prompt");
  const tokens = tensors.int("tokens");
  const ids = [...prompt, ...tokens];
  const label = `${name}, ${chunk === prompt.length ? "one shot" : `chunks of ${chunk}`}`;
  const bench = await openBench(model, { rows: ids.length, prompt: prompt.length, policy, settings }, options);
  const V = bench.runner.model.config.vocabulary;
  try {
    for (let at = 0; at < prompt.length; at += chunk)
      await bench.feed("chunk", ids, at, Math.min(chunk, prompt.length - at));
    yield kept(
      `${label}: kept after prefill`,
      await bench.live(),
      tensors.bytes(`${name}.kept_after_prefill`),
      prompt.length,
    );
    let off = 0;
    for (let s = 0; s < tokens.length; s++) {
      const [row] = await bench.feed("steps", ids, prompt.length + s, 1);
      off = Math.max(off, farthest(row, tensors.float(`${name}.logits`), s * V));
    }
    yield within(`${label}: logits`, off, LOGIT_TOLERANCE);
    yield kept(`${label}: kept at end`, await bench.live(), tensors.bytes(`${name}.kept_at_end`), ids.length);
  } finally {
    bench.close();
  }
}
