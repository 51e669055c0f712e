// What keys are worth: KVzip's scores (arXiv 2505.23416), and KVzip+'s (KVzap, arXiv 2601.07891), with what a surrogate
// is to tell them by.
import { badArgument } from "../../base/errors.ts";
import type { Device, F32, Hidden, I32 } from "../../device/device.ts";
import { forward, type Model, type Tokens } from "../../model/forward.ts";
import { type Activations, makeActivations } from "../../model/workspace.ts";
import type { Further } from "../../policy/policy.ts";
import { OutputNorms } from "./outputNorms.ts";

export interface ScoreOptions {
  /**
   * kvzip: the greatest part that a query of a replay of the prompt, its request included, gives a key. kvzip+: max
   * over the repeated prompt's queries j of a_ji ||W_O v_i|| / ||h_j||, h_j what the attention is handed.
   */
  scores: "kvzip" | "kvzip+";
  /** attention: what the attention is handed (KVzap); residual: the stream before it, normalised (DMS gates). */
  features: "attention" | "residual";
  /** Most tokens of a prompt. */
  length: number;
}

/** A prompt's keys in one layer. Read before the next layer comes: the arrays are the same ones. */
export interface LayerScores {
  layer: number;
  rows: number; // tokens of the prompt
  x: Float32Array; // [rows, H]
  y: Float32Array; // [rows, Hkv] log scores
}

/** Most tokens of a prompt: KVzip has so many repeated at once, and here that is the whole prompt. */
export const MOST_LENGTH = 2048;

/** Most tokens of a prompt that a context holds beside its replay. */
export function longestPrompt(contextLength: number, further: Pick<Further, "most">): number {
  let length = Math.min(MOST_LENGTH, contextLength);
  while (length > 0 && length + further.most(length) > contextLength) length--;
  return length;
}

/** Passes over prompts and their replays, every key kept. */
export class ScoreReader {
  readonly options: ScoreOptions;
  readonly model: Model;
  readonly #device: Device;
  readonly #further: Pick<Further, "readings">;
  readonly #norms: OutputNorms[];
  readonly #activations: Activations;
  readonly #tokens: Tokens;
  readonly #document: I32;
  readonly #ones: F32;
  readonly #lse: Hidden; // [rows, Hq]
  readonly #kept: { x: Hidden; values: Hidden; peaks: Hidden }[]; // by layer: [length, H], [length, Hkv, D], [rows, Hq]

  /**
   * `further`: what KVzip has a model read after a prompt. Throws `bad-argument` for a length that cannot be read
   * twice.
   */
  static async open(
    device: Device,
    model: Model,
    further: Pick<Further, "readings" | "most">,
    options: ScoreOptions,
  ): Promise<ScoreReader> {
    const { length, scores } = options;
    const { contextLength, layers } = model.config;
    const rows = length + further.most(length);
    if (!(Number.isInteger(length) && length >= 2 && length <= MOST_LENGTH))
      throw badArgument(`length: expected prompts of 2 to ${MOST_LENGTH} tokens, got ${length}`);
    if (rows > contextLength)
      throw badArgument(
        `length ${length}: a prompt and its replay take ${rows} tokens; expected at most ${contextLength}, the model's context`,
      );
    const norms: OutputNorms[] = [];
    for (let l = 0; scores === "kvzip+" && l < layers; l++)
      norms.push(await OutputNorms.of(device, model.config, model.weights.layers[l].o));
    return new ScoreReader(device, model, further, options, rows, norms);
  }

  private constructor(
    device: Device,
    model: Model,
    further: Pick<Further, "readings">,
    options: ScoreOptions,
    rows: number,
    norms: OutputNorms[],
  ) {
    const { hidden, layers, kvHeads, queryHeads, headDim } = model.config;
    this.#device = device;
    this.model = model;
    this.#further = further;
    this.options = options;
    this.#norms = norms;
    this.#activations = makeActivations(device, model.config, { layers: [] }, { rows, logitRows: 1 });
    const counting = device.i32(rows);
    for (let i = 0; i < rows; i++) counting.host[i] = i;
    this.#tokens = {
      ...{ rows, ids: device.i32(rows), positions: counting, self: counting, marks: null, places: null },
      ...{ wants: { gates: false, probe: false }, logitRows: counting, logitCount: 0 },
    };
    this.#document = device.i32(3);
    this.#ones = device.f32(hidden);
    this.#ones.host.fill(1);
    this.#ones.wrote(0, hidden);
    this.#lse = device.hidden(rows * queryHeads);
    this.#kept = Array.from({ length: layers }, () => ({
      x: device.hidden(options.length * hidden),
      values: device.hidden(options.length * kvHeads * headDim),
      peaks: device.hidden(rows * queryHeads),
    }));
  }

  /** Scores of a prompt's keys, layer by layer. */
  async *read(prompt: ArrayLike<number>): AsyncGenerator<LayerScores> {
    const { hidden, layers, kvHeads, queryHeads, headDim } = this.model.config;
    const rows = prompt.length;
    await this.#pass(Array.from(prompt));
    const [x, y] = [new Float32Array(rows * hidden), new Float32Array(rows * kvHeads)];
    const [values, peaks] = [new Float32Array(rows * kvHeads * headDim), new Float32Array(rows * queryHeads)];
    for (let layer = 0; layer < layers; layer++) {
      const kept = this.#kept[layer];
      await this.#device.read(kept.x, 0, x);
      await this.#device.read(kept.values, 0, values);
      await this.#device.read(kept.peaks, 0, peaks);
      y.fill(Number.NEGATIVE_INFINITY);
      const group = queryHeads / kvHeads;
      for (let r = 0; r < rows; r++)
        for (let h = 0; h < queryHeads; h++) {
          const at = r * kvHeads + Math.floor(h / group);
          const norm = this.#norms[layer]?.log(values, at * headDim, h) ?? 0;
          y[at] = Math.max(y[at], peaks[r * queryHeads + h] + norm);
        }
      yield { layer, rows, x, y };
    }
  }

  /** The prompt and its replay, once through the model. */
  async #pass(prompt: number[]): Promise<void> {
    const { scores, features, length } = this.options;
    if (prompt.length > length)
      throw badArgument(`expected a prompt of at most ${length} tokens, got ${prompt.length}`);
    const [reading] = this.#further.readings(prompt); // one, of all that is allowed
    const rows = prompt.length + reading.ids.length;
    const { ids } = this.#tokens;
    ids.host.set(prompt);
    ids.host.set(reading.ids, prompt.length);
    this.#document.host.set([0, rows, scores === "kvzip" ? prompt.length : rows - prompt.length]);
    const tokens = { ...this.#tokens, rows };
    const { hidden, kvHeads, queryHeads, headDim: dim, normEps: eps } = this.model.config;
    const heads = { documents: { list: this.#document, first: 0, count: 1 }, queryHeads, kvHeads, dim };
    const [lse, index, count] = [this.#lse, tokens.self, prompt.length];
    const pass = this.#device.begin();
    forward(pass, this.model, tokens, this.#activations, {
      mix: (_, layer, { x, normed, q, k, v, mixed }) => {
        const kept = this.#kept[layer];
        const states = scores === "kvzip+" ? normed : null;
        pass.attendSoft({ out: mixed, lse, q, k, v, soft: null, ...heads, window: 0 });
        pass.peakAttention({ out: kept.peaks, lse, q, k, states, ...heads, width: hidden });
        pass.gather({ out: kept.values, x: v, index, count, dim: kvHeads * dim });
        if (features === "attention") pass.gather({ out: kept.x, x: normed, index, count, dim: hidden });
        else pass.norm({ out: kept.x, x, weight: this.#ones, rows: count, dim: hidden, eps });
      },
    });
    await this.#device.run(pass);
  }
}
