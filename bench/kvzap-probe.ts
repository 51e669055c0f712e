// Fits a linear KVzap probe (arXiv 2601.07891) for a model: ridge regression of the log of KVzip's scores on the
// attention's input, layer by layer. Writes a folder that --probe takes, and prints how well held-out windows are
// predicted and what thresholds evict.
//   node bench/kvzap-probe.ts --model models/smollm2-135m-instruct --text wiki.test.raw
//     --out models/smollm2-135m-kvzap-linear
//     [--windows 64] [--length 512] [--apart 32x1024]
// `apart`: windows of `compare` (number x tokens) over the same text that stay unseen.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { note } from "../src/cli/open.ts";
import type { Device, Hidden, Pass } from "../src/device/device.ts";
import { readText, windows } from "../src/eval/compare/texts.ts";
import { load } from "../src/request/session.ts";
import { quantile } from "./median.ts";

const { values: args } = parseArgs({
  options: {
    model: { type: "string", default: "models/smollm2-135m-instruct" },
    text: { type: "string" },
    out: { type: "string" },
    windows: { type: "string", default: "64" },
    length: { type: "string", default: "512" },
    apart: { type: "string", default: "32x1024" },
  },
});
if (!args.text || !args.out) {
  console.error("error: expected --text FILE and --out DIR");
  process.exit(2);
}
const [count, length] = [args.windows, args.length].map(Number);
const HELD_OUT = 8;
const RIDGES = [1e-3, 1e-2, 1e-1, 1]; // of the mean variance of an input
const LEAST = 1e-8; // a probability of 0 has no logarithm

await using session = await load({ model: args.model, chains: 4, context: 2 * length + 64 });
const { runner, config } = session;
const { hidden: H, layers, kvHeads } = config;

/** Windows between those that `compare` scores. */
function trainingWindows(ids: readonly number[]): number[][] {
  const [taken, each] = args.apart.split("x").map(Number);
  const stride = Math.floor((ids.length - each) / Math.max(1, taken - 1));
  const free: number[] = [];
  for (let at = 0; at + length <= ids.length; at += length) {
    const inside = at % stride;
    if (inside >= each && inside + length <= stride) free.push(at);
  }
  if (free.length < count)
    throw new Error(`expected a text with ${count} windows besides those that stay unseen, got ${free.length}`);
  return windows(free, count, 1).map(([at]) => ids.slice(at, at + length));
}

/** Has passes also keep the attention's input of every layer: what a KVzap probe sees. */
function tap(device: Device): Hidden[] {
  const inputs = Array.from({ length: layers }, () => device.hidden(runner.options.rows * H));
  const layerOf = new Map<Hidden, number>(runner.model.weights.layers.map(({ inputNorm }, l) => [inputNorm, l]));
  const begin = device.begin.bind(device);
  const self = device.i32(runner.options.rows);
  for (let i = 0; i < self.host.length; i++) self.host[i] = i;
  device.begin = () => {
    const pass: { -readonly [K in keyof Pass]: Pass[K] } = begin();
    const { norm } = pass;
    pass.norm = (args) => {
      norm(args);
      const layer = layerOf.get(args.weight);
      const { out: x, rows: count, dim } = args;
      if (layer !== undefined) pass.gather({ out: inputs[layer], x, index: self, count, dim });
    };
    return pass;
  };
  return inputs;
}

const inputs = tap(runner.device);
const N = H + 1; // and a constant
/** Sums of x x^T and x y^T of each layer, over training windows and over held-out ones. */
const newSums = () =>
  Array.from({ length: layers }, () => ({ xx: new Float64Array(N * N), xy: new Float64Array(N * kvHeads) }));
const sums = newSums();
const heldOut: { x: Float32Array; y: Float32Array[] }[][] = Array.from({ length: layers }, () => []);

async function gather(ids: readonly number[], held: boolean): Promise<void> {
  const { sets, device, options } = runner;
  const policy = session.policy("kvzip:cr=2,sinks=4");
  const uncut = { ...policy, cut: { ...policy.cut!, atPrompt: null } };
  const set = sets.take(uncut, length, length + 1);
  const x = Array.from({ length: layers }, () => new Float32Array(length * H));
  for (let from = 0; from < length; from += options.chunk) {
    const rows = Math.min(options.chunk, length - from);
    await runner.run([{ set, kind: "chunk", ids, from, count: rows, logits: "none" }]);
    for (let l = 0; l < layers; l++) await device.read(inputs[l], 0, x[l].subarray(from * H, (from + rows) * H));
  }
  const scored = sets.fork(set, policy);
  const ranks = await runner.ranks(scored, ids);
  for (const done of [scored, set]) sets.close(done);
  for (let l = 0; l < layers; l++) {
    const y = ranks.slice(l * kvHeads, (l + 1) * kvHeads).map((row) => row.map((p) => Math.log(Math.max(p, LEAST))));
    if (held) heldOut[l].push({ x: x[l], y });
    else add(sums[l], x[l], y);
  }
}

function add({ xx, xy }: (typeof sums)[number], x: Float32Array, y: readonly Float32Array[]): void {
  const row = new Float64Array(N);
  row[H] = 1;
  for (let t = 4; t < length; t++) {
    row.set(x.subarray(t * H, (t + 1) * H));
    for (let i = 0; i < N; i++) {
      const a = row[i];
      for (let j = i, at = i * N + i; j < N; j++, at++) xx[at] += a * row[j];
      for (let h = 0; h < kvHeads; h++) xy[i * kvHeads + h] += a * y[h][t];
    }
  }
}

/** Solves (X^T X + ridge I) w = X^T y by Cholesky; the constant is not held back. [N, Hkv] */
function solve({ xx, xy }: (typeof sums)[number], share: number): Float64Array {
  let trace = 0;
  for (let i = 0; i < H; i++) trace += xx[i * N + i];
  const L = xx.slice();
  for (let i = 0; i < H; i++) L[i * N + i] += (share * trace) / H;
  // Rows of the upper triangle U, with U^T U = the matrix.
  for (let k = 0; k < N; k++) {
    const root = Math.sqrt(L[k * N + k]);
    for (let j = k; j < N; j++) L[k * N + j] /= root;
    for (let i = k + 1; i < N; i++) {
      const f = L[k * N + i];
      for (let j = i; j < N; j++) L[i * N + j] -= f * L[k * N + j];
    }
  }
  const w = xy.slice();
  for (let h = 0; h < kvHeads; h++) {
    for (let i = 0; i < N; i++) {
      for (let k = 0; k < i; k++) w[i * kvHeads + h] -= L[k * N + i] * w[k * kvHeads + h];
      w[i * kvHeads + h] /= L[i * N + i];
    }
    for (let i = N - 1; i >= 0; i--) {
      for (let j = i + 1; j < N; j++) w[i * kvHeads + h] -= L[i * N + j] * w[j * kvHeads + h];
      w[i * kvHeads + h] /= L[i * N + i];
    }
  }
  return w;
}

/**
 * Share of the variance of held-out log scores that weights explain, over all layers and heads, and what they predict.
 */
function judge(weights: readonly Float64Array[]): { r2: number; predicted: number[] } {
  let explained = 0;
  const predicted: number[] = [];
  for (const [l, windows] of heldOut.entries())
    for (let h = 0; h < kvHeads; h++) {
      const ys = windows.flatMap(({ y }) => [...y[h].subarray(4)]);
      const mean = ys.reduce((a, b) => a + b, 0) / ys.length;
      let [left, all] = [0, 0];
      for (const { x, y } of windows)
        for (let t = 4; t < length; t++) {
          let s = weights[l][H * kvHeads + h];
          for (let i = 0; i < H; i++) s += x[t * H + i] * weights[l][i * kvHeads + h];
          predicted.push(s);
          left += (y[h][t] - s) ** 2;
          all += (y[h][t] - mean) ** 2;
        }
      explained += 1 - left / all;
    }
  return { r2: explained / (layers * kvHeads), predicted };
}

const ids = await session.tokenizer.encode(await readText(args.text), { special: false });
const parts = trainingWindows(ids);
for (const [i, part] of parts.entries()) {
  await gather(part, i % Math.floor(count / HELD_OUT) === 0);
  note(`window ${i + 1} of ${count}`);
}
let best = { ridge: 0, r2: Number.NEGATIVE_INFINITY, predicted: [] as number[], weights: [] as Float64Array[] };
for (const ridge of RIDGES) {
  const weights = sums.map((s) => solve(s, ridge));
  const { r2, predicted } = judge(weights);
  console.log(`ridge ${ridge}: explains ${(100 * r2).toFixed(1)}% of held-out variance (mean over layers and heads)`);
  if (r2 > best.r2) best = { ridge, r2, predicted, weights };
}
for (const share of [0.25, 0.5, 0.75, 0.875, 0.95])
  console.log(`threshold ${quantile(best.predicted, share).toFixed(2)} is above ${100 * share}% of held-out scores`);

/** A safetensors file of float32 tensors. */
function safetensors(tensors: Record<string, { shape: number[]; values: Float32Array }>): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: "F32", shape, data_offsets: [at, at + values.byteLength] };
    at += values.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + at);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  let to = 8 + text.length;
  for (const { values } of Object.values(tensors)) {
    out.set(new Uint8Array(values.buffer), to);
    to += values.byteLength;
  }
  return out;
}

const tensors = Object.fromEntries(
  best.weights.flatMap((w, l) => [
    [
      `layers.${l}.weight`,
      {
        shape: [kvHeads, H],
        values: Float32Array.from({ length: kvHeads * H }, (_, i) => w[(i % H) * kvHeads + Math.floor(i / H)]),
      },
    ],
    [`layers.${l}.bias`, { shape: [kvHeads], values: Float32Array.from(w.subarray(H * kvHeads)) }],
  ]),
);
await mkdir(args.out, { recursive: true });
await writeFile(join(args.out, "model.safetensors"), safetensors(tensors));
const about = {
  architectures: ["KVzapModel"],
  model_type: "kvzap",
  input_dim: H,
  output_dim: kvHeads,
  n_modules: layers,
  hidden_dim: null,
  dtype: "float32",
};
await writeFile(join(args.out, "config.json"), `${JSON.stringify(about, null, 1)}\n`);
