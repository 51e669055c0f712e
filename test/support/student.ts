// Small random models that learn, of every family, and what one step of them says.
import { seeded } from "../../src/base/rng.ts";
import type { Device } from "../../src/device/device.ts";
import { parseConfig } from "../../src/model/config.ts";
import type { Model } from "../../src/model/forward.ts";
import type { Keeps } from "../../src/model/workspace.ts";
import { newBatch, packBatch, type TrainBatch, type Trigger } from "../../src/train/batch.ts";
import { fillNoise } from "../../src/train/gates.ts";
import type { Loss } from "../../src/train/lossRows.ts";
import { type Parameter, Parameters } from "../../src/train/parameters.ts";
import { Student } from "../../src/train/student.ts";

/** A model's config.json, and whether its gates have a bias. */
export interface Form {
  json: Record<string, unknown>;
  gateBias?: boolean;
}

const sizes = {
  ...{ vocab_size: 40, hidden_size: 24, intermediate_size: 36, num_hidden_layers: 2, max_position_embeddings: 512 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, head_dim: 8, rms_norm_eps: 1e-5 },
  rope_theta: 10, // every pair turns by much within a few tokens
};
const llama = { ...sizes, model_type: "llama", attention_bias: true, mlp_bias: true, tie_word_embeddings: true };
const qwen2 = { ...sizes, model_type: "qwen2" };
const qwen3 = { ...sizes, model_type: "qwen3" };
/** Gates that evict about half of the keys. */
const gates = { dms_alpha_scale: 3, dms_initial_alpha_offset: 0, dms_window_size: 3, dms_separate_alpha: true };

export const plainForms: Record<string, Form> = {
  "llama, tied, biases": { json: llama },
  qwen2: { json: qwen2 },
  qwen3: { json: qwen3 },
};

export const gatedForms: Record<string, Form> = {
  "gates per head": { json: { ...qwen3, ...gates } },
  "gates per layer, shift 0": { json: { ...qwen2, ...gates, dms_alpha_per: "layer", dms_label_shift: 0 } },
  "gates with a bias, tied": { json: { ...llama, ...gates }, gateBias: true },
  "borrowed neurons": { json: { ...qwen3, ...gates, dms_separate_alpha: false } },
  "borrowed neurons per layer, shift 0": {
    json: { ...llama, ...gates, dms_separate_alpha: false, dms_alpha_per: "layer", dms_label_shift: 0 },
  },
};

/** All tensors are random, and all learn. */
export async function randomParameters(
  device: Device,
  { json, gateBias = false }: Form,
  seed: number,
): Promise<Parameters> {
  const parameters = new Parameters(device, parseConfig(json), () => gateBias);
  for (const [i, p] of parameters.all.entries()) {
    const random = seeded(seed, 0x7e57, i);
    const scale = p.cols > 1 && p.name !== "model.embed_tokens.weight" ? 1 / Math.sqrt(p.cols) : 1;
    const norm = p.name.includes("norm");
    const values = Float32Array.from({ length: p.rows * p.cols }, () => {
      const x = random.gaussian();
      return norm ? 1 + 0.1 * x : scale * (p.cols > 1 ? x : 0.3 * x);
    });
    await parameters.write(p, values);
    parameters.learn(p);
  }
  return parameters;
}

/** Gives all projections random low-rank changes; nothing but them and gates learns then. */
export async function randomLowRank(parameters: Parameters, rank: number, scale: number, seed: number): Promise<void> {
  await parameters.addLowRank(rank, scale);
  for (const [i, p] of parameters.all.entries()) {
    if (!p.exact) p.gradient = null;
    if (!p.low) continue;
    for (const [j, factor] of [p.low.a, p.low.b].entries()) {
      const random = seeded(seed, 0x10ea + j, i);
      const values = Float32Array.from({ length: factor.rows * factor.cols }, () => 0.3 * random.gaussian());
      await parameters.write(factor, values);
    }
  }
}

/** Documents of random tokens, packed into windows; what is left over is padding. */
export function documentBatch(
  lengths: readonly number[],
  windows: number,
  length: number,
  seed: number,
  trigger?: Trigger,
): TrainBatch {
  const random = seeded(seed, 0xd0c5);
  const pieces = lengths.map((count) => ({
    ids: Int32Array.from({ length: count }, () => random.below(sizes.vocab_size)),
    learn: null,
  }));
  const batch = newBatch(windows, length);
  const taken = packBatch(batch, { count: pieces.length, at: (i) => pieces[i] }, 0, trigger);
  if (taken !== pieces.length) throw new Error(`expected room for ${pieces.length} documents, ${taken} fit`);
  return batch;
}

export interface LearnerOptions {
  keeps?: Exclude<Keeps, "nothing">;
  window?: number;
  teacher?: Model<Parameter>;
  rank?: number;
  bf16?: boolean;
}

/** A student with a batch before it, in which every row that has a target weighs 1. Noise is a function of the seed. */
export function learner(
  device: Device,
  parameters: Parameters,
  batch: TrainBatch,
  options: LearnerOptions = {},
): Student {
  const { keeps = "all", window = 3, teacher = null, rank = 0, bf16 = false } = options;
  const student = new Student(device, parameters, { rows: batch.rows, keeps, window, tau: 0.5, rank, teacher, bf16 });
  const to = student.batch;
  to.ids.host.set(batch.ids);
  to.positions.host.set(batch.positions);
  to.documents.host.set(batch.documents.subarray(0, 3 * batch.documentCount));
  to.documentCount = batch.documentCount;
  student.losses.choose(batch.weights, batch.targets);
  if (parameters.config.dms)
    student.attention.layers.forEach(({ noise }, l) => {
      fillNoise(noise.host, 5, 1, l);
      noise.wrote(0, noise.length);
    });
  return student;
}

export interface StepOptions {
  loss: Loss;
  gates: "soft" | null;
  /** [rows] gradient of each bit of a row. */
  pull?: Float32Array;
}

/**
 * The loss, summed over rows; with what is pulled: plus the pulls times sigmoid(z), through whose gradient they pass.
 */
export async function lossOf(student: Student, { loss, gates, pull }: StepOptions): Promise<number> {
  const { device } = student;
  const pass = device.begin();
  student.merge(pass);
  if (loss.kind === "distill") student.teach(pass);
  student.forward(pass, gates);
  student.loss(pass, loss, false);
  await device.run(pass);
  let sum = await student.losses.sum();
  if (!pull) return sum;
  const { kvHeads, layers } = student.parameters.config;
  const z = new Float32Array(pull.length * kvHeads);
  for (let l = 0; l < layers; l++) {
    await student.readZ(l, z);
    z.forEach((x, i) => {
      sum += pull[Math.floor(i / kvHeads)] / (1 + Math.exp(-x));
    });
  }
  return sum;
}

/** The loss, and the gradients of all that learns by name. */
export async function gradientsOf(
  student: Student,
  { loss, gates, pull }: StepOptions,
): Promise<{ loss: number; gradients: Map<string, Float32Array> }> {
  const { device, parameters, attention } = student;
  for (const { gradient, rows, cols } of parameters.trained)
    await device.write(gradient!, 0, new Float32Array(rows * cols));
  attention.pull.host.set(pull ?? new Float32Array(attention.pull.length));
  attention.pull.wrote(0, attention.pull.length);
  const pass = device.begin();
  student.merge(pass);
  if (loss.kind === "distill") student.teach(pass);
  student.forward(pass, gates);
  student.loss(pass, loss, true);
  student.backward(pass, gates);
  await device.run(pass);
  const gradients = new Map<string, Float32Array>();
  for (const { name, gradient, rows, cols } of parameters.trained) {
    const values = new Float32Array(rows * cols);
    await device.read(gradient!, 0, values);
    gradients.set(name, values);
  }
  return { loss: await student.losses.sum(), gradients };
}

/** Logits of all rows after a pass forward, [rows, V]. */
export async function logitsOf(student: Student): Promise<Float32Array> {
  const { device, parameters, activations } = student;
  const { hidden: dim, normEps: eps, vocabulary } = parameters.config;
  const { norm, head } = parameters.weights;
  const rows = student.batch.ids.length;
  const [final, out] = [device.hidden(rows * dim), device.hidden(rows * vocabulary)];
  const pass = device.begin();
  pass.norm({ out: final, x: activations.ends.x, weight: norm, rows, dim, eps });
  const plain = { turnA: false, turnB: true, bias: null, add: false, scale: 1, bf16: false };
  pass.product({ ...plain, out, a: final, b: head.value, m: rows, n: vocabulary, k: dim });
  await device.run(pass);
  const logits = new Float32Array(rows * vocabulary);
  await device.read(out, 0, logits);
  return logits;
}
