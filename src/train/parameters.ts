import type { Device, Hidden } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";
import { type LayerTable, type TensorTable, tensorTable, type Wanted } from "../model/names.ts";
import type { LayerWeights, Weights } from "../model/weights.ts";

/** A tensor of the model on the device, in float32: the master copy, which products read. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[]; // [outputs, inputs], or [length]
  readonly rows: number;
  readonly cols: number; // 1 for a vector
  readonly exact: boolean; // a gate's: its products are float32 in any case
  readonly value: Hidden; // [rows, cols]; of one with a low-rank change: merged anew before each step
  /** Null: frozen. */
  gradient: Hidden | null;
  low: LowRank | null;
}

/** LoRA (arXiv 2106.09685): value = base + scale * b a. */
export interface LowRank {
  readonly base: Hidden;
  readonly a: Parameter; // [rank, cols]
  readonly b: Parameter; // [rows, rank]
  readonly rank: number;
  readonly scale: number;
}

export type TrainedWeights = Weights<Parameter, Hidden>;
export type TrainedLayer = LayerWeights<Parameter, Hidden>;

/** Which tensors learn: gates alone, gates and a low-rank change of every projection, or all. */
export type TrainMode = "gates" | "lora" | "full";

const PROJECTIONS = ["q", "k", "v", "o", "gate", "up", "down"] as const;

/** All parameters of a model, zeroed, by the places where the transformer reads them. */
export class Parameters {
  readonly config: ModelConfig;
  readonly weights: TrainedWeights;
  /** In the checkpoint's order; low-rank factors stand with their matrices. */
  readonly all: readonly Parameter[];
  readonly #device: Device;
  readonly #vectors = new Map<Hidden, Parameter>();

  /** `has`: whether an optional tensor is there. */
  constructor(device: Device, config: ModelConfig, has: (wanted: Wanted) => boolean = () => false) {
    this.#device = device;
    this.config = config;
    const all: Parameter[] = [];
    const matrix = (wanted: Wanted): Parameter => {
      const made = parameter(device, wanted.names[0], wanted.shape);
      all.push(made);
      return made;
    };
    const vector = (wanted: Wanted): Hidden => {
      const made = matrix(wanted);
      this.#vectors.set(made.value, made);
      return made.value;
    };
    const maybe = (wanted: Wanted | null) => (wanted && (!wanted.optional || has(wanted)) ? vector(wanted) : null);
    this.weights = build(tensorTable(config), matrix, vector, maybe);
    this.all = all;
  }

  /** The parameter whose numbers these are. */
  vector(value: Hidden): Parameter {
    return this.#vectors.get(value)!;
  }

  /** Those that learn, low-rank factors included. */
  get trained(): Parameter[] {
    return this.all.flatMap((p) => (p.low ? [p, p.low.a, p.low.b] : [p])).filter(({ gradient }) => gradient !== null);
  }

  learn(p: Parameter): void {
    p.gradient ??= this.#device.hidden(p.rows * p.cols);
  }

  /** Gives every projection a low-rank change, still zero: `a` must be drawn. */
  async addLowRank(rank: number, scale: number): Promise<void> {
    const pass = this.#device.begin();
    for (const layer of this.weights.layers)
      for (const name of PROJECTIONS) {
        const p = layer[name];
        const factor = (letter: "A" | "B", shape: number[]) =>
          parameter(this.#device, `${p.name.replace(/\.weight$/, "")}.lora_${letter}.weight`, shape);
        const [a, b] = [factor("A", [rank, p.cols]), factor("B", [p.rows, rank])];
        p.low = { base: this.#device.hidden(p.rows * p.cols), a, b, rank, scale };
        pass.blend({ out: p.low.base, x: p.value, count: p.rows * p.cols, own: 0, other: 1 });
        this.learn(a);
        this.learn(b);
      }
    await this.#device.run(pass);
  }

  /** Writes a tensor's numbers, as they are before any low-rank change. */
  async write(p: Parameter, values: Float32Array, firstRow = 0): Promise<void> {
    await this.#device.write(p.value, firstRow * p.cols, values);
    if (p.low) await this.#device.write(p.low.base, firstRow * p.cols, values);
  }

  async read(p: Parameter): Promise<Float32Array> {
    const values = new Float32Array(p.rows * p.cols);
    await this.#device.read(p.value, 0, values);
    return values;
  }

  /** The weights as they were before any low-rank change. */
  untouched(): TrainedWeights {
    const base = (p: Parameter): Parameter => (p.low ? { ...p, value: p.low.base, low: null } : p);
    const { layers, ...ends } = this.weights;
    const plain = (layer: TrainedLayer): TrainedLayer => ({
      ...layer,
      ...Object.fromEntries(PROJECTIONS.map((name) => [name, base(layer[name])])),
    });
    return { ...ends, layers: layers.map(plain) };
  }
}

export const isGate = ({ name }: Pick<Parameter, "name">): boolean => name.includes(".dms_proj_alpha");

function parameter(device: Device, name: string, shape: readonly number[]): Parameter {
  const [rows, cols = 1] = shape;
  const exact = isGate({ name });
  return { name, shape, rows, cols, exact, value: device.hidden(rows * cols), gradient: null, low: null };
}

function build(
  table: TensorTable,
  matrix: (wanted: Wanted) => Parameter,
  vector: (wanted: Wanted) => Hidden,
  maybe: (wanted: Wanted | null) => Hidden | null,
): TrainedWeights {
  const layerOf = (t: LayerTable): TrainedLayer => ({
    inputNorm: vector(t.inputNorm!),
    q: matrix(t.q!),
    k: matrix(t.k!),
    v: matrix(t.v!),
    o: matrix(t.o!),
    qBias: maybe(t.qBias),
    kBias: maybe(t.kBias),
    vBias: maybe(t.vBias),
    oBias: maybe(t.oBias),
    qNorm: maybe(t.qNorm),
    kNorm: maybe(t.kNorm),
    postNorm: vector(t.postNorm!),
    gate: matrix(t.gate!),
    up: matrix(t.up!),
    down: matrix(t.down!),
    gateBias: maybe(t.gateBias),
    upBias: maybe(t.upBias),
    downBias: maybe(t.downBias),
    alpha: t.alpha && { norm: vector(t.alpha.norm), proj: matrix(t.alpha.proj), bias: maybe(t.alpha.bias) },
    borrowed: null, // weights are float32: nothing was rounded
    probe: null,
  });
  const embed = matrix(table.embed);
  const layers = table.layers.map(layerOf);
  const norm = vector(table.norm);
  return { embed, layers, norm, head: table.head ? matrix(table.head) : embed };
}
