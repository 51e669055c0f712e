// The model that learns: its passes forward and backward over one batch of rows.
import type { Device, Hidden, I32, Pass } from "../device/device.ts";
import { block, forward, type Model, type Steps, type Tokens } from "../model/forward.ts";
import { type Activations, type Keeps, makeActivations } from "../model/workspace.ts";
import { blockBack } from "./backward.ts";
import { type Gradients, makeGradients } from "./gradients.ts";
import { linearBack, mergeLowRank, type Precision, stepsOver } from "./linear.ts";
import { type Loss, LossRows } from "./lossRows.ts";
import type { Parameter, Parameters } from "./parameters.ts";
import { SoftAttention, type SoftSettings } from "./softAttention.ts";

export interface StudentOptions extends Precision {
  rows: number; // of a batch
  keeps: Exclude<Keeps, "nothing">;
  window: number;
  tau: number;
  rank: number; // of low-rank changes; 0: none
  teacher: Model<Parameter> | null; // the untouched model, where a loss distills
}

/** Host's side of a batch. */
export interface StudentBatch {
  ids: I32; // [rows]
  positions: I32; // [rows]
  documents: I32; // items (row, rows, from)
  documentCount: number;
}

export class Student {
  readonly device: Device;
  readonly parameters: Parameters;
  readonly activations: Activations;
  readonly attention: SoftAttention;
  readonly batch: StudentBatch;
  readonly losses: LossRows;
  readonly #options: StudentOptions;
  readonly #gradients: Gradients;
  readonly #tokens: Tokens;
  readonly #final: Hidden; // [rows, H] after the last norm
  readonly #taught: Hidden; // [rows, H] the teacher's
  readonly #dfinal: Hidden; // [rows, H]

  constructor(device: Device, parameters: Parameters, options: StudentOptions) {
    const { rows, keeps, rank } = options;
    const { config } = parameters;
    this.device = device;
    this.parameters = parameters;
    this.#options = options;
    this.activations = makeActivations(device, config, parameters.weights, { rows, logitRows: 1, keeps });
    this.batch = {
      ids: device.i32(rows),
      positions: device.i32(rows),
      documents: device.i32(3 * rows),
      documentCount: 0,
    };
    this.attention = new SoftAttention(device, config, rows, keeps, this.#soft(null));
    this.losses = new LossRows(device, config.vocabulary, config.hidden, rows);
    this.#gradients = makeGradients(device, config, rows, rank);
    const hidden = () => device.hidden(rows * config.hidden);
    [this.#final, this.#taught, this.#dfinal] = [hidden(), hidden(), hidden()];
    const self = device.i32(rows);
    for (let r = 0; r < rows; r++) self.host[r] = r;
    this.#tokens = {
      rows,
      ids: this.batch.ids,
      positions: this.batch.positions,
      marks: null,
      wants: { gates: false, probe: false },
      places: null,
      self,
      logitRows: self,
      logitCount: 0,
    };
  }

  /** Queries that a doomed key still serves. */
  get window(): number {
    return this.#options.window;
  }

  /** Low-rank changes into the weights that follow: before the first pass of a step. */
  merge(pass: Pass): void {
    mergeLowRank(pass, this.parameters.all);
  }

  /** The untouched model over the batch, every key kept: what `distill` compares with. */
  teach(pass: Pass): void {
    const { teacher } = this.#options;
    if (!teacher) throw new Error("expected a teacher: this student learns from tokens");
    this.#forward(pass, teacher, null, this.#taught);
  }

  /** The student over the batch; its gates act as `gates` says. */
  forward(pass: Pass, gates: SoftSettings["gates"]): void {
    this.#forward(pass, this.parameters, gates, this.#final);
  }

  #forward(pass: Pass, model: Model<Parameter>, gates: SoftSettings["gates"], out: Hidden): void {
    const { rows } = this.#options;
    const { hidden: dim, normEps: eps } = model.config;
    const tokens = this.#act(gates);
    forward(this.#steps(pass, gates), model, tokens, this.activations, this.attention);
    pass.norm({ out, x: this.activations.ends.x, weight: model.weights.norm, rows, dim, eps });
  }

  /**
   * Losses of the rows that count, after `forward` (and `teach`); with `back`, the gradients of the final norm's
   * output.
   */
  loss(pass: Pass, loss: Loss, back: boolean): void {
    const { rows, teacher } = this.#options;
    const { config, weights } = this.parameters;
    const dfinal = back ? this.#dfinal : null;
    if (dfinal) pass.blend({ out: dfinal, x: dfinal, count: rows * config.hidden, own: 0, other: 0 });
    const model = {
      final: this.#final,
      taught: this.#taught,
      head: weights.head,
      teacher: teacher?.weights.head ?? null,
    };
    this.losses.record(pass, loss, model, dfinal, this.#options, (dout, x, dx, many) =>
      linearBack(
        pass,
        weights.head,
        null,
        { dout, x, dx, add: false, rows: many, low: this.#gradients.low },
        this.#options,
      ),
    );
  }

  /** After `loss`: adds to the gradients of all parameters. */
  backward(pass: Pass, gates: "soft" | null): void {
    const { parameters, activations } = this;
    const { rows, keeps } = this.#options;
    const { config: c, weights } = parameters;
    const { layers, ends } = activations;
    const g = this.#gradients;
    const steps = this.#steps(pass, gates);
    const tokens = this.#act(gates);
    const last = { dx: g.x, dout: this.#dfinal, x: ends.x, weight: weights.norm, rows, dim: c.hidden, eps: c.normEps };
    pass.normBack({ ...last, dweight: parameters.vector(weights.norm).gradient, add: false });
    for (let l = c.layers - 1; l >= 0; l--) {
      if (keeps === "inputs" && l < c.layers - 1) {
        // The layer writes its output where the next one's input stands: the same numbers again.
        block(steps, parameters, l, tokens, activations, this.attention);
      }
      const on = { parameters, l, rows, angles: ends.angles, gated: gates !== null, precision: this.#options };
      blockBack(pass, on, layers[l], g, this.attention);
    }
    const { gradient } = weights.embed;
    if (gradient) pass.scatter({ out: gradient, x: g.x, index: this.batch.ids, count: rows, dim: c.hidden });
  }

  /**
   * Where gates learn, layers (the teacher's too) run forward in float32: gates scale their logits by 100 / tau, so
   * that bf16 factors put the gradients of `golden/train` off by 5.7e-2, against 3.9e-3 where only the way back is
   * rounded.
   */
  #steps(pass: Pass, gates: SoftSettings["gates"]): Steps<Parameter> {
    const { bf16, teacher } = this.#options;
    return stepsOver(pass, { bf16: bf16 && gates === null && teacher === null });
  }

  /** The tokens of passes in which gates act so. */
  #act(gates: SoftSettings["gates"]): Tokens {
    this.attention.set(this.#soft(gates));
    return { ...this.#tokens, wants: { gates: gates !== null, probe: false } };
  }

  #soft(gates: SoftSettings["gates"]): SoftSettings {
    const { documents, documentCount } = this.batch;
    const { window, tau } = this.#options;
    return { documents: { list: documents, first: 0, count: documentCount }, gates, window, tau };
  }

  /** z of a layer after `forward`. */
  async readZ(layer: number, into: Float32Array): Promise<void> {
    await this.device.read(this.attention.layers[layer].z, 0, into);
  }
}
