// How gradients become changes: AdamW, and Muon for matrices.
import type { Device, Hidden, Pass } from "../device/device.ts";
import { plain } from "./linear.ts";
import { isGate, type Parameter } from "./parameters.ts";

export interface OptimizerSettings {
  /**
   * Of projections: AdamW (arXiv 1711.05101), or Muon (kellerjordan.github.io/posts/muon). All else learns by AdamW.
   */
  matrices: "adamw" | "muon";
  rate: number; // AdamW's, at the schedule's peak
  muonRate: number;
  gateRate: number; // AdamW's for the tensors of gates
  beta1: number;
  beta2: number;
  eps: number;
  decay: number; // of matrices
  momentum: number; // Muon's
  clip: number; // most norm of all gradients together; 0: no limit
}

export const OPTIMIZER: OptimizerSettings = {
  matrices: "adamw",
  rate: 3e-4,
  muonRate: 0.02,
  gateRate: 1e-3,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  decay: 0,
  momentum: 0.95,
  clip: 1,
};

/** A parameter and what its optimizer remembers. */
interface Slot {
  p: Parameter;
  moment: Hidden;
  second: Hidden | null; // null: Muon's
}

/** Newton-Schulz coefficients of Muon's five steps. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const ROUNDS = 5;

export class Optimizer {
  readonly #device: Device;
  readonly #settings: OptimizerSettings;
  readonly #slots: Slot[];
  readonly #norms: Hidden;
  readonly #scratch: { x: Hidden; next: Hidden; square: Hidden; fourth: Hidden } | null;

  constructor(device: Device, parameters: readonly Parameter[], settings: OptimizerSettings) {
    this.#device = device;
    this.#settings = settings;
    this.#slots = parameters.map((p) => {
      const count = p.rows * p.cols;
      const muon = settings.matrices === "muon" && isProjection(p);
      return { p, moment: device.hidden(count), second: muon ? null : device.hidden(count) };
    });
    this.#norms = device.hidden(Math.max(1, parameters.length));
    const orthogonal = this.#slots.filter(({ second }) => second === null).map(({ p }) => p);
    const most = (of: (p: Parameter) => number) => device.hidden(Math.max(...orthogonal.map(of)));
    const side = ({ rows, cols }: Parameter) => Math.min(rows, cols) ** 2;
    const size = ({ rows, cols }: Parameter) => rows * cols;
    this.#scratch =
      orthogonal.length === 0 ? null : { x: most(size), next: most(size), square: most(side), fourth: most(side) };
  }

  /** Before the gradients of a step are added up. */
  clear(pass: Pass): void {
    for (const { p } of this.#slots)
      pass.blend({ out: p.gradient!, x: p.gradient!, count: p.rows * p.cols, own: 0, other: 0 });
  }

  /** The norm of all gradients together. */
  async norm(): Promise<number> {
    const pass = this.#device.begin();
    this.#slots.forEach(({ p }, at) => {
      pass.squares({ out: this.#norms, x: p.gradient!, count: p.rows * p.cols, at });
    });
    await this.#device.run(pass);
    const squares = new Float32Array(this.#slots.length);
    await this.#device.read(this.#norms, 0, squares);
    return Math.sqrt(squares.reduce((sum, x) => sum + x, 0));
  }

  /** Changes the parameters; `step` counts from 1, `part` is the schedule's share of the rates. */
  update(pass: Pass, step: number, part: number, norm: number): void {
    const { clip } = this.#settings;
    const scale = clip > 0 && norm > clip ? clip / norm : 1;
    for (const { p, moment, second } of this.#slots)
      if (second) this.#adamw(pass, p, { moment, second }, step, part, scale);
      else this.#muon(pass, p, moment, part, scale);
  }

  #adamw(
    pass: Pass,
    p: Parameter,
    { moment, second }: { moment: Hidden; second: Hidden },
    step: number,
    part: number,
    scale: number,
  ): void {
    const { rate, gateRate, beta1, beta2, eps, decay } = this.#settings;
    pass.adamw({
      ...{ x: p.value, gradient: p.gradient!, moment, second, count: p.rows * p.cols, scale, beta1, beta2, eps },
      rate: part * (isGate(p) ? gateRate : rate),
      decay: p.cols > 1 && !isGate(p) ? decay : 0,
      first: 1 - beta1 ** step,
      other: 1 - beta2 ** step,
    });
  }

  /** The momentum's nearest orthogonal matrix, about: all directions of a matrix move alike. */
  #muon(pass: Pass, p: Parameter, moment: Hidden, part: number, scale: number): void {
    const { momentum, muonRate, decay } = this.#settings;
    const { rows: n, cols: k } = p;
    const count = n * k;
    const { x, next, square, fourth } = this.#scratch!;
    pass.blend({ out: moment, x: p.gradient!, count, own: momentum, other: scale });
    pass.blend({ out: x, x: p.gradient!, count, own: 0, other: scale });
    pass.blend({ out: x, x: moment, count, own: 1, other: momentum });
    pass.unit({ x, count, least: 1e-7 });
    const wide = n <= k;
    const side = Math.min(n, k);
    let [from, to] = [x, next];
    for (let round = 0; round < ROUNDS; round++) {
      // With S = x x^T (x^T x where that is smaller): x = A x + (B S + C S^2) x.
      const turned = wide ? { turnB: true } : { turnA: true };
      pass.product({ ...plain, ...turned, out: square, a: from, b: from, m: side, n: side, k: wide ? k : n });
      pass.product({ ...plain, out: fourth, a: square, b: square, m: side, n: side, k: side, scale: C });
      pass.blend({ out: fourth, x: square, count: side * side, own: 1, other: B });
      pass.blend({ out: to, x: from, count, own: 0, other: A });
      const factors = wide ? { a: fourth, b: from } : { a: from, b: fourth };
      pass.product({ ...plain, ...factors, out: to, m: n, n: k, k: side, add: true });
      [from, to] = [to, from];
    }
    const rate = part * muonRate;
    pass.blend({ out: p.value, x: from, count, own: 1 - rate * decay, other: -rate * Math.sqrt(Math.max(1, n / k)) });
  }

  /** What checkpoints must hold, by name. */
  *state(): Generator<{ name: string; shape: readonly number[]; buffer: Hidden }> {
    for (const { p, moment, second } of this.#slots) {
      yield { name: `${p.name}#moment`, shape: p.shape, buffer: moment };
      if (second) yield { name: `${p.name}#second`, shape: p.shape, buffer: second };
    }
  }
}

/** Matrices between the embedding and the head. */
const isProjection = (p: Parameter): boolean => p.cols > 1 && !isGate(p) && /_proj\.weight$/.test(p.name);
