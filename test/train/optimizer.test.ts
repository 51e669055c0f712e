// Changes of parameters against the formulas they come from, written out in float64.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Seeded, seeded } from "../../src/base/rng.ts";
import type { Device } from "../../src/device/device.ts";
import { OPTIMIZER, Optimizer, type OptimizerSettings } from "../../src/train/optimizer.ts";
import type { Parameter, Parameters } from "../../src/train/parameters.ts";
import { devices, gaussians } from "../device/devices.ts";
import { bits, near } from "../support/compare.ts";
import { gatedForms, randomLowRank, randomParameters } from "../support/student.ts";

const form = gatedForms["gates with a bias, tied"];
const settings: OptimizerSettings = { ...OPTIMIZER, rate: 1e-2, gateRate: 3e-2, decay: 0.1, clip: 0 };
const isGate = ({ name }: Parameter) => name.includes("dms_proj_alpha");
const isProjection = ({ name }: Parameter) => /[qkvo]_proj\.weight$|(gate|up|down)_proj\.weight$/.test(name);

async function drawGradients(parameters: Parameters, device: Device, random: Seeded) {
  const drawn = new Map<Parameter, Float32Array>();
  for (const p of parameters.trained) {
    const values = gaussians(random, p.rows * p.cols).map((x) => 0.1 * x);
    await device.write(p.gradient!, 0, values);
    drawn.set(p, values);
  }
  return drawn;
}

async function update(device: Device, optimizer: Optimizer, step: number, part: number): Promise<void> {
  const norm = await optimizer.norm();
  const pass = device.begin();
  optimizer.update(pass, step, part, norm);
  await device.run(pass);
}

/** Loshchilov and Hutter, arXiv 1711.05101, algorithm 2, with decay times the rate. */
class Adam {
  readonly x: Float64Array;
  readonly #m: Float64Array;
  readonly #v: Float64Array;

  constructor(x: Float32Array) {
    this.x = Float64Array.from(x);
    this.#m = new Float64Array(x.length);
    this.#v = new Float64Array(x.length);
  }

  step(gradient: Float32Array, t: number, rate: number, decay: number, eps = settings.eps): void {
    const { beta1, beta2 } = settings;
    gradient.forEach((g, i) => {
      this.#m[i] = beta1 * this.#m[i] + (1 - beta1) * g;
      this.#v[i] = beta2 * this.#v[i] + (1 - beta2) * g * g;
      const change = this.#m[i] / (1 - beta1 ** t) / (Math.sqrt(this.#v[i] / (1 - beta2 ** t)) + eps);
      this.x[i] -= rate * (change + decay * this.x[i]);
    });
  }
}

const times = (a: Float64Array, b: Float64Array, m: number, n: number, k: number): Float64Array =>
  Float64Array.from({ length: m * n }, (_, at) => {
    let sum = 0;
    for (let l = 0; l < k; l++) sum += a[Math.floor(at / n) * k + l] * b[l * n + (at % n)];
    return sum;
  });
const turned = (a: Float64Array, rows: number, cols: number): Float64Array =>
  Float64Array.from(a, (_, i) => a[(i % rows) * cols + Math.floor(i / rows)]);

/** Five Newton-Schulz steps as Keller Jordan wrote them: X X^T of the wide form, whatever its height. */
function orthogonal(g: Float64Array, rows: number, cols: number): Float64Array {
  if (rows > cols) return turned(orthogonal(turned(g, rows, cols), cols, rows), cols, rows);
  const norm = Math.hypot(...g) + 1e-7;
  let x = g.map((v) => v / norm);
  for (let round = 0; round < 5; round++) {
    const square = times(x, turned(x, rows, cols), rows, rows, cols);
    const fourth = times(square, square, rows, rows, rows);
    const both = times(
      square.map((s, i) => -4.775 * s + 2.0315 * fourth[i]),
      x,
      rows,
      cols,
      rows,
    );
    x = x.map((v, i) => 3.4445 * v + both[i]);
  }
  return x;
}

/** Singular values, by Jacobi's rotations of the rows of a wide matrix until they are orthogonal. */
function singularValues(g: Float64Array, rows: number, cols: number): number[] {
  if (rows > cols) return singularValues(turned(g, rows, cols), cols, rows);
  const x = Array.from({ length: rows }, (_, r) => [...g.subarray(r * cols, (r + 1) * cols)]);
  const dot = (a: number[], b: number[]) => a.reduce((sum, v, i) => sum + v * b[i], 0);
  for (let sweep = 0; sweep < 20; sweep++)
    for (let p = 0; p < rows; p++)
      for (let q = p + 1; q < rows; q++) {
        const [pp, qq, pq] = [dot(x[p], x[p]), dot(x[q], x[q]), dot(x[p], x[q])];
        const angle = 0.5 * Math.atan2(2 * pq, pp - qq);
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        [x[p], x[q]] = [x[p].map((v, i) => c * v + s * x[q][i]), x[q].map((v, i) => c * v - s * x[p][i])];
      }
  return x.map((row) => Math.sqrt(dot(row, row)));
}

for (const candidate of devices)
  describe(`on ${candidate.name}`, () => {
    test("AdamW is its formula over five steps, with decay of matrices and rates of gates", async () => {
      const device = candidate.open();
      const parameters = await randomParameters(device, form, 1);
      const optimizer = new Optimizer(device, parameters.trained, settings);
      const expected = new Map<Parameter, Adam>();
      for (const p of parameters.all) expected.set(p, new Adam(await parameters.read(p)));
      const random = seeded(2);
      for (let step = 1; step <= 5; step++) {
        const part = step / 5;
        const gradients = await drawGradients(parameters, device, random);
        await update(device, optimizer, step, part);
        for (const [p, adam] of expected) {
          const { rate, gateRate, decay } = settings;
          adam.step(
            gradients.get(p)!,
            step,
            part * (isGate(p) ? gateRate : rate),
            p.cols > 1 && !isGate(p) ? decay : 0,
          );
          near(await parameters.read(p), adam.x, `${p.name} after ${step} steps`, { relative: 1e-5, absolute: 1e-6 });
        }
      }
      device.close();
    });

    test("Muon is its formula over three steps, with Nesterov's momentum; all else learns by AdamW", async () => {
      const device = candidate.open();
      const parameters = await randomParameters(device, form, 3);
      const muon = { ...settings, matrices: "muon", muonRate: 0.02 } as const;
      const optimizer = new Optimizer(device, parameters.trained, muon);
      const expected = new Map<Parameter, { adam: Adam; moment: Float64Array }>();
      for (const p of parameters.all) {
        const adam = new Adam(await parameters.read(p));
        expected.set(p, { adam, moment: new Float64Array(adam.x.length) });
      }
      const random = seeded(4);
      const { momentum, muonRate, decay, rate, gateRate } = muon;
      for (let step = 1; step <= 3; step++) {
        const gradients = await drawGradients(parameters, device, random);
        await update(device, optimizer, step, 0.5);
        for (const [p, { adam, moment }] of expected) {
          const gradient = gradients.get(p)!;
          if (isProjection(p)) {
            gradient.forEach((g, i) => {
              moment[i] = momentum * moment[i] + g;
            });
            const change = orthogonal(
              moment.map((m, i) => gradient[i] + momentum * m),
              p.rows,
              p.cols,
            );
            const size = 0.5 * muonRate * Math.sqrt(Math.max(1, p.rows / p.cols));
            adam.x.forEach((x, i) => {
              adam.x[i] = x * (1 - 0.5 * muonRate * decay) - size * change[i];
            });
          } else {
            const own = 0.5 * (isGate(p) ? gateRate : rate);
            adam.step(gradient, step, own, p.cols > 1 && !isGate(p) ? decay : 0);
          }
          near(await parameters.read(p), adam.x, `${p.name} after ${step} steps`, { relative: 1e-5, absolute: 2e-6 });
        }
      }
      device.close();
    });

    test("Muon moves all directions of a matrix about alike, wide or tall", async () => {
      const device = candidate.open();
      const parameters = await randomParameters(device, form, 5);
      const muon = { ...settings, matrices: "muon", muonRate: 1, decay: 0 } as const;
      const optimizer = new Optimizer(device, parameters.trained, muon);
      await drawGradients(parameters, device, seeded(6));
      const before = new Map<Parameter, Float32Array>();
      for (const p of parameters.all) before.set(p, await parameters.read(p));
      await update(device, optimizer, 1, 1);
      const shapes = new Set<string>();
      for (const p of parameters.all.filter(isProjection)) {
        const after = await parameters.read(p);
        const grown = Math.sqrt(Math.max(1, p.rows / p.cols));
        const change = Float64Array.from(after, (x, i) => (before.get(p)![i] - x) / grown);
        const values = singularValues(change, p.rows, p.cols);
        assert.equal(values.length, Math.min(p.rows, p.cols));
        for (const value of values) assert.ok(value > 0.3 && value < 1.7, `${p.name}: a singular value of ${value}`);
        shapes.add(p.rows > p.cols ? "tall" : "wide");
      }
      assert.deepEqual([...shapes].sort(), ["tall", "wide"]);
      device.close();
    });

    test("the norm is of all gradients together; beyond the clip they count as if they had that norm", async () => {
      const device = candidate.open();
      const made = async (clip: number) => {
        const parameters = await randomParameters(device, form, 7);
        const gradients = await drawGradients(parameters, device, seeded(8));
        const optimizer = new Optimizer(device, parameters.trained, { ...settings, clip, eps: 0.1 });
        const norm = await optimizer.norm();
        const expected = Math.hypot(...[...gradients.values()].map((values) => Math.hypot(...values)));
        assert.ok(Math.abs(norm - expected) < 1e-5 * expected, `${norm}, expected ${expected}`);
        return { parameters, optimizer, norm, gradients };
      };
      const none = await made(0);
      const high = await made(none.norm * 1.01);
      const low = await made(none.norm / 4);
      const expected = new Map<Parameter, Adam>();
      for (const p of low.parameters.all) expected.set(p, new Adam(await low.parameters.read(p)));
      for (const step of [1, 2]) {
        for (const { optimizer } of [none, high, low]) await update(device, optimizer, step, 1);
        for (const [p, adam] of expected) {
          const { rate, gateRate, decay } = settings;
          const scaled = low.gradients.get(p)!.map((g) => g / 4);
          adam.step(scaled, step, isGate(p) ? gateRate : rate, p.cols > 1 && !isGate(p) ? decay : 0, 0.1);
        }
      }
      for (const [i, p] of low.parameters.all.entries()) {
        const [plain, loose] = [none.parameters.all[i], high.parameters.all[i]];
        assert.deepEqual(bits(await high.parameters.read(loose)), bits(await none.parameters.read(plain)), p.name);
        near(await low.parameters.read(p), expected.get(p)!.x, p.name, { relative: 1e-5, absolute: 2e-6 });
      }
      device.close();
    });

    test("clear makes all gradients 0, NaN too", async () => {
      const device = candidate.open();
      const parameters = await randomParameters(device, form, 9);
      const optimizer = new Optimizer(device, parameters.trained, settings);
      for (const p of parameters.trained)
        await device.write(p.gradient!, 0, new Float32Array(p.rows * p.cols).fill(Number.NaN));
      assert.ok(Number.isNaN(await optimizer.norm()));
      const pass = device.begin();
      optimizer.clear(pass);
      await device.run(pass);
      assert.equal(await optimizer.norm(), 0);
      device.close();
    });
  });

test("low-rank factors learn by AdamW; what is frozen is not held", async () => {
  const device = devices[0].open();
  const parameters = await randomParameters(device, form, 10);
  await randomLowRank(parameters, 3, 1, 11);
  const optimizer = new Optimizer(device, parameters.trained, { ...settings, matrices: "muon" });
  const state = [...optimizer.state()].map(({ name }) => name);
  const names = parameters.trained.map(({ name }) => name);
  assert.deepEqual(state.sort(), names.flatMap((name) => [`${name}#moment`, `${name}#second`]).sort());
  const frozen = parameters.all.filter(({ gradient }) => gradient === null);
  const before = await Promise.all(frozen.map((p) => parameters.read(p)));
  await drawGradients(parameters, device, seeded(12));
  await update(device, optimizer, 1, 1);
  for (const [i, p] of frozen.entries()) assert.deepEqual(bits(await parameters.read(p)), bits(before[i]), p.name);
  assert.ok(frozen.length > 20);
});
