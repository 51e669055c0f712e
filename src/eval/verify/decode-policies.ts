import { join } from "node:path";
import { recipes } from "../../policy/index.ts";
import type { PolicyOptions } from "../../policy/policy.ts";
import { farthest, openBench } from "./bench.ts";
import { CHUNKS, type Check, LOGIT_TOLERANCE, type VerifyOptions, within } from "./check.ts";
import { type Golden, readGoldenTensors } from "./tensors.ts";

/** How a golden entry's settings are said to our recipe of the same name. */
const SETTINGS: Record<string, (entry: Record<string, unknown>) => PolicyOptions> = {
  full: () => ({}),
  tova: (entry) => ({ budget: Number(entry.budget) }),
};

/** Dense prefill, then given tokens one by one: kept sets and logits of each policy that exists here; the rest are UNRUN. */
export async function* verifyDecodePolicies(
  folder: string,
  golden: Record<string, unknown>,
  options: VerifyOptions,
): AsyncGenerator<Check> {
  const tensors = await readGoldenTensors(join(folder, "golden.safetensors"));
  const entries = Object.entries((golden.policies ?? {}) as Record<string, Record<string, unknown>>);
  for (const [name, entry] of entries) {
    if (!SETTINGS[name] || !recipes.some((recipe) => recipe.name === name)) {
      yield { name, status: "UNRUN", detail: "this policy does not exist here yet" };
      continue;
    }
    const model = join(folder, String(golden[`model_of_${name}`] ?? golden.model));
    const T = tensors.int("prompt").length;
    for (const chunk of [T, ...CHUNKS.filter((n) => n < T)])
      yield* verifyPolicy(model, name, SETTINGS[name](entry), chunk, tensors, options);
  }
}

async function* verifyPolicy(
  model: string,
  name: string,
  settings: PolicyOptions,
  chunk: number,
  tensors: Golden,
  options: VerifyOptions,
): AsyncGenerator<Check> {
  const prompt = tensors.int("prompt");
  const tokens = tensors.int("tokens");
  const ids = [...prompt, ...tokens];
  const label = `${name}, ${chunk === prompt.length ? "one shot" : `chunks of ${chunk}`}`;
  const bench = await openBench(model, undefined, ids.length, options, name, settings);
  const V = bench.runner.model.config.vocabulary;
  try {
    for (let at = 0; at < prompt.length; at += chunk) {
      const count = Math.min(chunk, prompt.length - at);
      await bench.feed("chunk", ids, at, count, at + count === prompt.length);
    }
    yield kept(
      `${label}: kept after prefill`,
      bench.live(),
      tensors.bytes(`${name}.kept_after_prefill`),
      prompt.length,
    );
    let off = 0;
    for (let s = 0; s < tokens.length; s++) {
      const [row] = await bench.feed("steps", ids, prompt.length + s, 1);
      off = Math.max(off, farthest(row, tensors.float(`${name}.logits`), s * V));
    }
    yield within(`${label}: logits`, off, LOGIT_TOLERANCE);
    yield kept(`${label}: kept at end`, bench.live(), tensors.bytes(`${name}.kept_at_end`), ids.length);
  } finally {
    bench.close();
  }
}

/** Compares live positions with a mask [lanes, T]. */
function kept(name: string, live: Int32Array[], mask: Uint8Array, T: number): Check {
  const wrong = live.findIndex((keys, lane) => {
    const row = mask.subarray(lane * T, (lane + 1) * T);
    return keys.length !== row.reduce((sum, bit) => sum + bit, 0) || keys.some((key) => row[key] !== 1);
  });
  const ok = wrong < 0 && live.length * T === mask.length;
  return {
    name,
    status: ok ? "PASS" : "FAIL",
    detail: ok ? `${live.length} of ${live.length} lanes equal` : `lane ${wrong}: got keys ${live[wrong]?.join(" ")}`,
  };
}
