import type { Device, F32, Matrix, WeightFormat } from "../device/device.ts";
import type { ModelConfig } from "./config.ts";
import { type LayerTable, tensorTable, type Wanted } from "./names.ts";
import type { LayerWeights, Weights } from "./weights.ts";

/** Where the rows of one tensor go: `put` takes whole rows (a vector has rows of one number). */
export interface Target {
  wanted: Wanted;
  put: (values: Float32Array, firstRow: number) => void;
}

export interface AllocateOptions {
  /** Type of the matrices, where they need not be exact. */
  weights: WeightFormat;
  /** Whether an optional tensor is there. */
  has: (wanted: Wanted) => boolean;
  /** Whether `weights` holds fewer bits of this tensor than its source does. */
  rounds: (wanted: Wanted) => boolean;
}

/** Device memory for a model, still zero, and what must be written where. Throws `no-memory`. */
export function allocate(
  device: Device,
  config: ModelConfig,
  options: AllocateOptions,
): { weights: Weights; targets: Target[] } {
  const allocation = new Allocation(device, config, options);
  const table = tensorTable(config);
  const embed = allocation.matrix(table.embed);
  const layers = table.layers.map((layer) => allocation.layer(layer));
  const norm = allocation.vector(table.norm);
  const head = table.head ? allocation.matrix(table.head) : embed;
  return { weights: { embed, head, norm, layers }, targets: allocation.targets };
}

class Allocation {
  readonly targets: Target[] = [];
  readonly #device: Device;
  readonly #config: ModelConfig;
  readonly #options: AllocateOptions;

  constructor(device: Device, config: ModelConfig, options: AllocateOptions) {
    this.#device = device;
    this.#config = config;
    this.#options = options;
  }

  matrix(wanted: Wanted): Matrix {
    const format = wanted.exact ? "f32" : this.#options.weights;
    const matrix = this.#device.matrix(wanted.shape[0], wanted.shape[1], format);
    this.targets.push({ wanted, put: (values, row) => this.#device.writeRows(matrix, row, values) });
    return matrix;
  }

  vector(wanted: Wanted): F32 {
    const vector = this.#device.f32(wanted.shape[0]);
    this.targets.push({
      wanted,
      put: (values, row) => {
        vector.host.set(values, row);
        vector.wrote(row, values.length);
      },
    });
    return vector;
  }

  layer(t: LayerTable): LayerWeights {
    const vector = (wanted: Wanted | null) => (wanted ? this.vector(wanted) : null);
    return {
      inputNorm: this.vector(t.inputNorm!),
      q: this.matrix(t.q!),
      k: this.matrix(t.k!),
      v: this.matrix(t.v!),
      o: this.matrix(t.o!),
      qBias: vector(t.qBias),
      kBias: vector(t.kBias),
      vBias: vector(t.vBias),
      oBias: vector(t.oBias),
      qNorm: vector(t.qNorm),
      kNorm: vector(t.kNorm),
      postNorm: this.vector(t.postNorm!),
      gate: this.matrix(t.gate!),
      up: this.matrix(t.up!),
      down: this.matrix(t.down!),
      gateBias: vector(t.gateBias),
      upBias: vector(t.upBias),
      downBias: vector(t.downBias),
      alpha: this.#alpha(t.alpha),
      borrowed: this.#borrowed(t),
      probe: null,
    };
  }

  #alpha(t: LayerTable["alpha"]): LayerWeights["alpha"] {
    if (!t) return null;
    return {
      norm: this.vector(t.norm),
      proj: this.matrix(t.proj),
      bias: this.#options.has(t.bias) ? this.vector(t.bias) : null,
    };
  }

  /** The query heads that carry a borrowed gate, again in float32: q_norm needs the whole head for its one channel. */
  #borrowed(t: LayerTable): LayerWeights["borrowed"] {
    const { dms, queryHeads, kvHeads, headDim: D, hidden } = this.#config;
    if (!dms?.borrowed || this.#options.weights === "f32" || !this.#options.rounds(t.q!)) return null;
    const stride = (queryHeads / kvHeads) * D; // query rows of one group; its first head carries the gate
    const carried = (row: number) => row % stride < D;
    const rowOf = (row: number) => Math.floor(row / stride) * D + (row % stride);
    const q = this.#device.matrix(kvHeads * D, hidden, "f32");
    const bias = t.qBias ? this.#device.f32(kvHeads * D) : null;
    this.targets.push({
      wanted: t.q!,
      put: (values, first) => {
        for (let r = 0; r < values.length / hidden; r++)
          if (carried(first + r))
            this.#device.writeRows(q, rowOf(first + r), values.subarray(r * hidden, (r + 1) * hidden));
      },
    });
    if (t.qBias && bias)
      this.targets.push({
        wanted: t.qBias,
        put: (values, first) => {
          for (let i = 0; i < values.length; i++) if (carried(first + i)) bias.host[rowOf(first + i)] = values[i];
          bias.wrote(0, bias.length);
        },
      });
    return { q, bias };
  }
}
