import { join } from "node:path";
import { badFile } from "../../base/errors.ts";
import type { PolicyOptions } from "../../policy/policy.ts";
import { type Bench, liveOf, openBench } from "./bench.ts";
import { CHUNKS, type Check, type VerifyOptions } from "./check.ts";
import { numberOf } from "./decode-policies.ts";
import { kept } from "./kept.ts";
import { type Golden, readGoldenTensors } from "./tensors.ts";

type Entry = Record<string, unknown>;

const SCORE_TOLERANCE = 1e-4;

/** How a golden entry is said to our recipes. */
interface Spoken {
  policy: string;
  settings: PolicyOptions;
  /** Keys at both ends that stay whatever their score: only the others' scores are compared. */
  forced: [number, number];
  /** A folder with a probe. */
  probe?: string;
}

type Numbers = (key: string) => number;

/** `keys`: what the golden data kept of `T` tokens. */
const SPOKEN: Record<string, (n: Numbers, entry: Entry, T: number, removed: number) => Spoken> = {
  // Its set is what the next query sees, itself aside.
  streaming_llm: (n, _e, T, removed) => ({
    policy: "streaming",
    settings: { sinks: n("n_sink"), recent: keysOf(T, removed) - n("n_sink") + 1 },
    forced: [T, 0],
  }),
  snapkv: (n, _e, T, removed) => ({
    policy: "snapkv",
    settings: { budget: keysOf(T, removed), window: n("window"), kernel: n("kernel") },
    forced: [0, n("window")],
  }),
  tova: (_n, _e, T, removed) => ({
    policy: "tova",
    settings: { budget: keysOf(T, removed), recent: 1 },
    forced: [0, 1],
  }),
  observed_attention: (_n, _e, T, removed) => ({
    policy: "observed",
    settings: { budget: keysOf(T, removed) },
    forced: [0, 0],
  }),
  knorm: (_n, _e, T, removed) => ({ policy: "knorm", settings: { budget: keysOf(T, removed) }, forced: [0, 0] }),
  keydiff: (_n, _e, T, removed) => ({ policy: "keydiff", settings: { budget: keysOf(T, removed) }, forced: [0, 0] }),
  expected_attention: (n, _e, T, removed) => ({
    policy: "expected",
    settings: {
      budget: keysOf(T, removed),
      future: n("n_future_positions"),
      sinks: n("n_sink"),
      epsilon: n("epsilon"),
    },
    forced: [n("n_sink"), 0],
  }),
  pyramidkv: (n, _e, _T, removed) => ({
    policy: "pyramidkv",
    settings: { cr: 1 / (1 - removed), window: n("window"), kernel: n("kernel"), pyramid: n("beta") },
    forced: [0, n("window")],
  }),
  adakv_snapkv: (n, entry, T, removed) => {
    const [, window, kernel] = /window (\d+) kernel (\d+)/.exec(String(entry.inner)) ?? [];
    return {
      policy: "adakv",
      settings: {
        budget: keysOf(T, removed),
        window: Number(window),
        kernel: Number(kernel),
        ada: n("alpha_safeguard"),
      },
      forced: [0, Number(window)],
    };
  },
  kvzap_linear: kvzap,
  kvzap_mlp: kvzap,
};

function kvzap(n: Numbers, entry: Entry): Spoken {
  return {
    policy: "kvzap",
    settings: { threshold: n("threshold"), window: n("window"), prefill: "dense" },
    forced: [0, 0],
    probe: String(entry.checkpoint),
  };
}

const keysOf = (T: number, removed: number): number => Math.floor(T * (1 - removed));

/** Scores and kept sets at the end of a dense prefill, in one shot and by chunks. */
export async function* verifyPolicies(
  folder: string,
  golden: Record<string, unknown>,
  options: VerifyOptions,
): AsyncGenerator<Check> {
  const tensors = await readGoldenTensors(join(folder, "golden.safetensors"));
  const T = tensors.int("prompt").length;
  const removed = numberOf(folder, "golden.json", golden)("removed_fraction");
  for (const [name, entry] of Object.entries((golden.presses ?? {}) as Record<string, Entry>)) {
    const spoken = SPOKEN[name]?.(numberOf(folder, name, entry), entry, T, removed);
    if (!spoken) {
      yield { name, status: "UNRUN", detail: "this policy does not exist here" };
      continue;
    }
    for (const chunk of [T, ...CHUNKS.filter((n) => n < T)])
      yield* verifyPolicy(folder, name, spoken, chunk, tensors, options);
  }
}

async function* verifyPolicy(
  folder: string,
  name: string,
  spoken: Spoken,
  chunk: number,
  tensors: Golden,
  options: VerifyOptions,
): AsyncGenerator<Check> {
  const prompt = tensors.int("prompt");
  const T = prompt.length;
  const label = `${name}, ${chunk === T ? "one shot" : `chunks of ${chunk}`}`;
  const { policy: recipe, settings, probe } = spoken;
  if (probe !== undefined && !/^[\w.-]+$/.test(probe))
    throw badFile(`${folder}/golden.json: ${name}: expected a folder's name, got ${probe}`);
  const bench = await openBench(
    folder,
    {
      rows: T + 1,
      prompt: T,
      policy: recipe,
      settings,
      probe: probe && join(folder, probe),
      // Nothing is cut until the scores were looked at.
      held: (policy) => (policy.cut ? { ...policy, cut: { ...policy.cut, atPrompt: null } } : policy),
    },
    options,
  );
  const { runner, policy } = bench;
  const shape = runner.model.config;
  try {
    const probed = Array.from({ length: shape.layers * shape.kvHeads }, () => new Float32Array(T));
    for (let at = 0; at < T; at += chunk) {
      const count = Math.min(chunk, T - at);
      await bench.feed("chunk", prompt, at, count);
      if (policy.labels?.source === "probe") await readProbe(bench, probed, at, count);
    }
    if (tensors.has(`${name}.scores`) && spoken.forced[0] < T) {
      const ranks = policy.cut ? await forked(bench, (set) => runner.ranks(set, prompt)) : probed;
      yield scores(`${label}: scores`, ranks, tensors.float(`${name}.scores`), T, spoken.forced);
    }
    const all = policy.cut
      ? await forked(bench, (set) => runner.cutPrompt(set, prompt, T - 1).then(() => liveOf(runner, set)))
      : // Labels take effect with the next query.
        await bench.feed("steps", [...prompt, 0], T, 1).then(() => bench.live());
    const live = all.map((keys) => keys.filter((position) => position < T));
    yield kept(`${label}: kept`, live, maskOf(name, tensors, shape.layers, shape.kvHeads, T), T);
  } finally {
    bench.close();
  }
}

/** Looks at a fork of the prompt under the policy itself: scorers write over what they read. */
async function forked<T>({ runner, set, policy }: Bench, look: (fork: number) => Promise<T>): Promise<T> {
  const fork = runner.sets.fork(set, policy);
  try {
    return await look(fork);
  } finally {
    runner.sets.close(fork);
  }
}

/** A probe's scores of the tokens just fed: its sign was turned when it was loaded. */
async function readProbe({ runner }: Bench, into: Float32Array[], at: number, count: number): Promise<void> {
  const { layers, kvHeads } = runner.model.config;
  const z = new Float32Array(count * kvHeads);
  for (let l = 0; l < layers; l++) {
    await runner.device.read(runner.activations.layers[l].z, 0, z);
    for (let t = 0; t < count; t++)
      for (let h = 0; h < kvHeads; h++) into[l * kvHeads + h][at + t] = -z[t * kvHeads + h];
  }
}

function scores(name: string, got: Float32Array[], golden: Float32Array, T: number, forced: [number, number]): Check {
  let off = 0;
  for (const [lane, row] of got.entries())
    for (let t = forced[0]; t < T - forced[1]; t++) {
      const d = Math.abs(row[t] - golden[lane * T + t]);
      if (!(d <= off)) off = Number.isNaN(d) ? Infinity : d;
    }
  return {
    name,
    status: off <= SCORE_TOLERANCE ? "PASS" : "FAIL",
    detail: `largest absolute error ${off.toExponential(1)}, tolerance ${SCORE_TOLERANCE.toExponential(0)}`,
  };
}

/** The golden kept set as a mask [lanes, T]: a mask, indices, or indices by layer. */
function maskOf(name: string, tensors: Golden, layers: number, heads: number, T: number): Uint8Array {
  if (tensors.has(`${name}.keep_mask`)) return tensors.bytes(`${name}.keep_mask`);
  const mask = new Uint8Array(layers * heads * T);
  const mark = (indices: Int32Array, firstLane: number, lanes: number) => {
    const each = indices.length / lanes;
    for (const [i, t] of indices.entries()) mask[(firstLane + Math.floor(i / each)) * T + t] = 1;
  };
  if (tensors.has(`${name}.kept`)) mark(tensors.int(`${name}.kept`), 0, layers * heads);
  else for (let l = 0; l < layers; l++) mark(tensors.int(`${name}.kept.${l}`), l * heads, heads);
  return mask;
}
