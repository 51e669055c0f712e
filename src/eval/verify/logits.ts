import { join } from "node:path";
import { argmax, type Bench, farthest, openBench } from "./bench.ts";
import { CHUNKS, type Check, DECISION_TOLERANCE, LOGIT_TOLERANCE, type VerifyOptions, within } from "./check.ts";
import { type Golden, readGoldenTensors } from "./tensors.ts";

/**
 * Prefill in one shot and in chunks, then greedy decoding: logits, decision logits,
 * kept counts, tokens, compression ratio.
 */
export async function* verifyLogits(
  folder: string,
  golden: Record<string, unknown>,
  options: VerifyOptions,
): AsyncGenerator<Check> {
  const tensors = await readGoldenTensors(join(folder, "golden.safetensors"));
  const prompt = tensors.int("prompt");
  const greedy = tensors.int("greedy_tokens");
  const base = typeof golden.base === "string" ? join(folder, golden.base) : undefined;
  const bench = await openBench(
    base ?? folder,
    { adapter: base ? folder : undefined, rows: prompt.length + greedy.length, prompt: prompt.length },
    options,
  );
  try {
    const chunks = [prompt.length, ...CHUNKS.filter((n) => n < prompt.length)];
    for (const chunk of chunks) {
      if (chunk !== prompt.length) bench.restart();
      yield* verifyRun(bench, tensors, prompt, greedy, chunk, golden);
    }
  } finally {
    bench.close();
  }
}

async function* verifyRun(
  bench: Bench,
  tensors: Golden,
  prompt: Int32Array,
  greedy: Int32Array,
  chunk: number,
  golden: Record<string, unknown>,
): AsyncGenerator<Check> {
  const V = bench.runner.model.config.vocabulary;
  const ids = [...prompt, ...greedy];
  const label = chunk === prompt.length ? "one shot" : `chunks of ${chunk}`;
  const expected = tensors.float("prefill_logits");
  const decisions = tensors.has("decision_logits") ? tensors.float("decision_logits") : null;
  let prefillOff = 0;
  let decisionOff = 0;
  let next = -1;
  for (let at = 0; at < prompt.length; at += chunk) {
    const count = Math.min(chunk, prompt.length - at);
    const rows = await bench.feed("chunk", prompt, at, count);
    rows.forEach((row, i) => {
      prefillOff = Math.max(prefillOff, farthest(row, expected, (at + i) * V));
    });
    if (decisions)
      decisionOff = Math.max(decisionOff, await decisionDifference(bench, decisions, at, count, prompt.length));
    next = argmax(rows[count - 1]);
  }
  yield within(`${label}: prefill logits`, prefillOff, LOGIT_TOLERANCE);
  if (decisions) {
    yield within(`${label}: decision logits`, decisionOff, DECISION_TOLERANCE);
    yield counts(`${label}: kept after prefill`, await bench.live(), tensors.int("kept_after_prefill"));
  }
  const decode = tensors.float("decode_logits");
  let decodeOff = 0;
  let wrong = -1;
  for (let s = 0; s < greedy.length; s++) {
    if (next !== greedy[s] && wrong < 0) wrong = s;
    const [row] = await bench.feed("steps", ids, prompt.length + s, 1);
    decodeOff = Math.max(decodeOff, farthest(row, decode, s * V));
    next = argmax(row);
  }
  yield within(`${label}: decode logits`, decodeOff, LOGIT_TOLERANCE);
  yield {
    name: `${label}: greedy tokens`,
    status: wrong < 0 ? "PASS" : "FAIL",
    detail: wrong < 0 ? `${greedy.length} of ${greedy.length} equal` : `first difference at step ${wrong}`,
  };
  if (!decisions) return;
  const live = await bench.live();
  yield counts(`${label}: kept at end`, live, tensors.int("kept_at_end"));
  const seen = (prompt.length + greedy.length) * live.length;
  const ratio = seen / live.reduce((sum, keys) => sum + keys.length, 0);
  yield sameRatio(`${label}: compression ratio`, ratio, Number(golden.compression_ratio_at_end));
}

/** Largest difference of the gates of tokens [at, at + count); golden [L, Hkv, T]. */
async function decisionDifference(
  bench: Bench,
  golden: Float32Array,
  at: number,
  count: number,
  T: number,
): Promise<number> {
  const { layers, kvHeads } = bench.runner.model.config;
  const z = new Float32Array(count * kvHeads);
  let most = 0;
  for (let l = 0; l < layers; l++) {
    await bench.runner.device.read(bench.runner.activations.layers[l].z, 0, z);
    for (let t = 0; t < count; t++)
      for (let h = 0; h < kvHeads; h++) {
        const off = Math.abs(z[t * kvHeads + h] - golden[(l * kvHeads + h) * T + at + t]);
        if (!(off <= most)) most = Number.isNaN(off) ? Infinity : off;
      }
  }
  return most;
}

function counts(name: string, live: Int32Array[], expected: Int32Array): Check {
  const wrong = live.findIndex((keys, lane) => keys.length !== expected[lane]);
  return {
    name,
    status: wrong < 0 && live.length === expected.length ? "PASS" : "FAIL",
    detail:
      wrong < 0
        ? `${live.length} of ${live.length} lanes equal`
        : `lane ${wrong}: expected ${expected[wrong]} keys, got ${live[wrong].length}`,
  };
}

function sameRatio(name: string, got: number, expected: number): Check {
  return {
    name,
    status: Math.abs(got - expected) < 1e-9 ? "PASS" : "FAIL",
    detail: `expected ${expected.toFixed(4)}, got ${got.toFixed(4)}`,
  };
}
