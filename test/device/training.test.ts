// Operations of training: the reference against finite differences, every other device against the reference.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { type Seeded, seeded } from "../../src/base/rng.ts";
import type { Buffer, Hidden, Numbers, Pass } from "../../src/device/device.ts";
import { OPS, type OpName } from "../../src/device/ops.ts";
import { TRAINING } from "../../src/device/training.ts";
import { allDevices, devices, gaussians, type Rig, rig } from "./devices.ts";

type Inputs = Record<string, unknown>;
/** Arguments of one call: arrays become buffers, other values go as they are. */
interface Case {
  op: OpName;
  args: Inputs;
  outputs: string[]; // arguments that are compared
}

const ints = (values: number[]) => Int32Array.from(values);
const noise = (random: Seeded, length: number, scale = 1) => gaussians(random, length).map((x) => x * scale);
const zeros = (length: number) => new Float32Array(length);

/** Documents of some lengths, one after the other: items (row, rows, from). */
function documentsOf(lengths: number[], from: (rows: number) => number = () => 0): Int32Array {
  let row = 0;
  return ints(
    lengths.flatMap((rows) => {
      row += rows;
      return [row - rows, rows, from(rows)];
    }),
  );
}

const LENGTHS = [1, 5, 33, 70, 2];
const ROWS = LENGTHS.reduce((a, b) => a + b);
const HEADS = [
  { queryHeads: 9, kvHeads: 3, dim: 8 },
  { queryHeads: 4, kvHeads: 2, dim: 20 },
  { queryHeads: 2, kvHeads: 2, dim: 32 },
  { queryHeads: 4, kvHeads: 1, dim: 64 },
];

function* cases(random: Seeded): Generator<Case> {
  for (const [m, n, k] of [
    [1, 1, 1],
    [13, 33, 7],
    [12, 32, 258],
    [37, 5, 64],
    [100, 187, 331],
    [3, 70, 600],
  ])
    for (let variant = 0; variant < 16; variant++) {
      const on = (bit: number) => (variant & bit) !== 0;
      const args = {
        ...{ out: noise(random, m * n), a: noise(random, m * k), b: noise(random, k * n), m, n, k },
        ...{ turnA: on(1), turnB: on(2), add: on(4), bf16: on(8) },
        ...{ bias: on(4) ? null : noise(random, n), scale: on(2) ? 0.5 : 1 },
      };
      yield { op: "product", args, outputs: ["out"] };
    }
  for (const count of [1, 19, 5000]) {
    const x = noise(random, count);
    yield { op: "blend", args: { out: noise(random, count), x, count, own: 0.5, other: 2 }, outputs: ["out"] };
    yield { op: "blend", args: { out: zeros(count).fill(NaN), x, count, own: 0, other: 2 }, outputs: ["out"] };
    yield { op: "blend", args: { out: x, x: zeros(count).fill(NaN), count, own: 0.5, other: 0 }, outputs: ["out"] };
    yield { op: "squares", args: { out: zeros(3), x, count, at: 1 }, outputs: ["out"] };
    yield { op: "unit", args: { x, count, least: 1e-7 }, outputs: ["x"] };
    const [gate, up, dout] = [noise(random, count, 4), noise(random, count), noise(random, count)];
    const swiglu = { dgate: zeros(count), dup: zeros(count), dout, gate, up, count };
    yield { op: "swigluBack", args: swiglu, outputs: ["dgate", "dup"] };
    yield { op: "geluBack", args: { dx: zeros(count), dout, x: gate, count }, outputs: ["dx"] };
    const adamw = {
      ...{
        x,
        gradient: noise(random, count),
        moment: noise(random, count),
        second: noise(random, count).map(Math.abs),
      },
      ...{ count, scale: 0.7, rate: 0.01, beta1: 0.9, beta2: 0.95, first: 0.1, other: 0.05, eps: 1e-8, decay: 0.1 },
    };
    yield { op: "adamw", args: adamw, outputs: ["x", "moment", "second"] };
  }
  for (const dim of [7, 32, 72]) {
    const rows = 150;
    const index = ints(Array.from({ length: rows }, () => random.below(9)));
    const x = noise(random, rows * dim);
    yield { op: "scatter", args: { out: noise(random, 9 * dim), x, index, count: rows, dim }, outputs: ["out"] };
    yield { op: "sumRows", args: { out: noise(random, dim), x, rows, dim }, outputs: ["out"] };
    for (const add of [false, true])
      for (const dweight of [null, noise(random, dim)]) {
        const back = { dx: noise(random, rows * dim), dweight, dout: noise(random, rows * dim), x };
        const args = { ...back, weight: noise(random, dim), rows, dim, eps: 1e-3, add };
        yield { op: "normBack", args, outputs: dweight ? ["dx", "dweight"] : ["dx"] };
      }
  }
  for (const { queryHeads, kvHeads, dim } of HEADS) {
    const [q, kv] = [ROWS * queryHeads * dim, ROWS * kvHeads * dim];
    const angles = noise(random, ROWS * dim);
    yield {
      op: "ropeBack",
      args: { dx: noise(random, q), angles, rows: ROWS, heads: queryHeads, dim },
      outputs: ["dx"],
    };
    const gates = { draw: noise(random, ROWS * kvHeads), rows: ROWS, kvHeads };
    const borrow = { dq: noise(random, q), ...gates, queryHeads, dim };
    yield { op: "borrowBack", args: borrow, outputs: ["dq"] };
    for (const perLayer of [false, true]) {
      const dz = noise(random, ROWS * kvHeads);
      yield { op: "decideBack", args: { ...gates, dz, scale: 100, perLayer }, outputs: ["draw"] };
    }
    for (const shift of [0, 1]) {
      const documents = documentsOf(LENGTHS);
      const values = () => noise(random, ROWS * kvHeads, 3);
      for (const hard of [false, true]) {
        const soften = { z: values(), soft: values(), logits: values(), noise: hard ? null : values() };
        const args = { ...soften, documents, kvHeads, tau: 0.3, shift, hard };
        yield { op: "soften", args, outputs: ["z", "soft"] };
      }
      const back = { dlogits: values(), dsoft: values(), z: values(), pull: noise(random, ROWS) };
      yield { op: "softenBack", args: { ...back, documents, kvHeads, tau: 0.3, shift }, outputs: ["dlogits"] };
    }
    for (const window of [0, 3, 40]) {
      const soft = window === 3 ? null : noise(random, ROWS * kvHeads).map((x) => -Math.abs(x * 3));
      const documents = documentsOf(LENGTHS, (rows) => (window === 40 ? 0 : random.below(rows)));
      const shared = { q: noise(random, q), k: noise(random, kv), v: noise(random, kv), soft, documents };
      const sizes = { queryHeads, kvHeads, dim, window };
      const forward = { out: zeros(q), lse: zeros(ROWS * queryHeads), ...shared, ...sizes };
      yield { op: "attendSoft", args: forward, outputs: ["out", "lse"] };
      // `out` and `lse` of this very forward pass: filled in where the case is run.
      const back = { dq: zeros(q), dk: zeros(kv), dv: zeros(kv), dsoft: soft && zeros(ROWS * kvHeads) };
      const args = { ...back, dout: noise(random, q), ...forward };
      yield { op: "attendSoftBack", args, outputs: ["dq", "dk", "dv", ...(soft ? ["dsoft"] : [])] };
    }
    for (const width of [null, 40]) {
      const peak = {
        ...{ out: zeros(ROWS * queryHeads), lse: noise(random, ROWS * queryHeads, 3) },
        ...{ q: noise(random, q), k: noise(random, kv), states: width && noise(random, ROWS * width) },
        ...{ documents: documentsOf(LENGTHS, (rows) => rows >> 1), queryHeads, kvHeads, dim, width: width ?? 1 },
      };
      yield { op: "peakAttention", args: peak, outputs: ["out"] };
      const none = { ...peak, documents: documentsOf(LENGTHS, (rows) => rows) };
      yield { op: "peakAttention", args: none, outputs: ["out"] };
    }
  }
  for (const vocabulary of [1, 5, 16, 331, 2100]) {
    const rows = 9;
    const values = () => noise(random, rows * vocabulary, 3);
    const weights = Float32Array.from({ length: rows }, (_, r) => (r === 4 ? 0 : 0.1 + r));
    const shared = { losses: zeros(rows), weights, rows, vocabulary };
    for (const direction of ["reverse", "forward"]) {
      const args = { ...shared, logits: values(), teacher: values(), direction };
      yield { op: "distill", args, outputs: ["losses", "logits"] };
    }
    const targets = ints(Array.from({ length: rows }, () => random.below(vocabulary)));
    yield { op: "predict", args: { ...shared, logits: values(), targets }, outputs: ["losses", "logits"] };
  }
}

/** Runs a call and reads the outputs that are wanted. */
async function perform(on: Rig, { op, args, outputs }: Case): Promise<Float32Array[]> {
  const given: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(args)) {
    if (value instanceof Float32Array) given[name] = on.f32(value);
    else if (!(value instanceof Int32Array)) given[name] = value;
    else if (name !== "documents") given[name] = on.i32([...value]);
    else given[name] = { list: on.i32([...value]), first: 0, count: value.length / 3 };
  }
  await on.run((pass) => {
    if (op === "attendSoftBack") {
      const { dq: _q, dk: _k, dv: _v, dsoft: _s, dout: _o, ...forward } = given;
      (pass.attendSoft as (args: unknown) => void)(forward);
    }
    (pass[op] as (args: unknown) => void)(given);
  });
  return Promise.all(outputs.map((name) => on.read(given[name] as Hidden)));
}

test("every operation of training has a case", () => {
  const tried = new Set([...cases(seeded(1))].map(({ op }) => op));
  assert.deepEqual([...tried].sort(), Object.keys(TRAINING).sort());
  for (const op of tried) assert.ok(op in OPS);
});

const oracle = rig(devices[0]);
for (const candidate of allDevices.slice(1))
  describe(candidate.name, () => {
    const on = rig(candidate);
    after(() => on.device.close());
    for (const op of Object.keys(TRAINING))
      test(`${op} as on the reference`, async () => {
        for (const one of cases(seeded(2))) {
          if (one.op !== op) continue;
          const [got, expected] = [await perform(on, one), await perform(oracle, one)];
          one.outputs.forEach((name, i) => {
            on.close(got[i], expected[i], `${op} ${name} ${JSON.stringify(describeArgs(one.args))}`);
          });
        }
      });
  });

const describeArgs = (args: Inputs) =>
  Object.fromEntries(Object.entries(args).filter(([, value]) => typeof value !== "object"));

/** Operations through which no gradient passes: updates, and the scores of keys. */
const WITHOUT_GRADIENT: readonly OpName[] = ["blend", "squares", "unit", "adamw", "peakAttention"];

describe("finite differences on the reference", () => {
  after(() => oracle.device.close());
  const random = seeded(3);
  const sloped = new Set<OpName>();
  const ran = new Set<OpName>(); // since slopes were last compared
  const compared = new Set<OpName>();

  /** A test of these operations, which fails where one of them is not behind a slope that it compares. */
  function slopes(name: string, ops: OpName[], compare: () => Promise<void>): void {
    for (const op of ops) sloped.add(op);
    test(name, async () => {
      ran.clear();
      compared.clear();
      await compare();
      for (const op of ops) assert.ok(compared.has(op), `${op}: expected a slope that its result is compared with`);
    });
  }

  /**
   * d/dt of <g, f(x + t u)> at 0 by central differences, against <gradient, u>: for each input of `inputs` a random
   * direction u.
   */
  async function directional(
    inputs: Record<string, Float32Array>,
    value: (inputs: Record<string, Float32Array>) => Promise<number>,
    gradients: Record<string, Float32Array>,
    step = 2e-3,
  ): Promise<void> {
    for (const [name, gradient] of Object.entries(gradients)) {
      const x = inputs[name];
      const along = gaussians(random, x.length);
      const moved = (t: number) => ({ ...inputs, [name]: x.map((v, i) => v + t * along[i]) });
      const slope = ((await value(moved(step))) - (await value(moved(-step)))) / (2 * step);
      const expected = gradient.reduce((sum, g, i) => sum + g * along[i], 0);
      const size = Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0));
      assert.ok(size > 0, `${name}: a gradient that is not 0`);
      const off = Math.abs(slope - expected);
      assert.ok(off <= 5e-3 * size + 1e-4, `${name}: slope ${slope}, gradient along the direction ${expected}`);
    }
    for (const op of ran) compared.add(op);
    ran.clear();
  }
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const call = async (record: (pass: Pass) => void) =>
    oracle.run((pass) => {
      const get = (of: Pass, op: OpName) => {
        ran.add(op);
        return of[op].bind(of);
      };
      record(new Proxy(pass, { get } as ProxyHandler<Pass>));
    });
  const f = (values: Float32Array): Buffer<Float32Array> => oracle.f32(values);
  const list = (values: Int32Array) => ({ list: oracle.i32([...values]), first: 0, count: values.length / 3 });
  const host = (buffer: Buffer<Numbers>) => buffer.host as Float32Array;

  slopes("product, and the products that are its gradients", ["product"], async () => {
    const [m, n, k] = [5, 7, 6];
    const g = gaussians(random, m * n);
    for (let variant = 0; variant < 8; variant++) {
      const [turnA, turnB, add] = [1, 2, 4].map((bit) => (variant & bit) !== 0);
      const inputs = { a: gaussians(random, m * k), b: gaussians(random, k * n), before: gaussians(random, m * n) };
      // What is there already: gradients of other ways that the factors take, which are replaced unless added to.
      const [besideA, besideB] = [gaussians(random, m * k), gaussians(random, k * n)];
      const common = { bias: null, add, scale: 0.5, bf16: false };
      const value = async ({ a, b, before }: Record<string, Float32Array>) => {
        const out = f(before);
        await call((pass) => pass.product({ out, a: f(a), b: f(b), m, n, k, turnA, turnB, ...common }));
        return dot(host(out), g) + (add ? dot(a, besideA) + dot(b, besideB) : 0);
      };
      const [da, db] = [f(besideA), f(besideB)];
      const [a, b, d] = [f(inputs.a), f(inputs.b), f(g)];
      await call((pass) => {
        if (turnA) pass.product({ out: da, a: b, b: d, m: k, n: m, k: n, turnA: turnB, turnB: true, ...common });
        else pass.product({ out: da, a: d, b, m, n: k, k: n, turnA: false, turnB: !turnB, ...common });
        if (turnB) pass.product({ out: db, a: d, b: a, m: n, n: k, k: m, turnA: true, turnB: turnA, ...common });
        else pass.product({ out: db, a, b: d, m: k, n, k: m, turnA: !turnA, turnB: false, ...common });
      });
      await directional(inputs, value, { a: host(da), b: host(db), ...(add ? { before: g } : {}) });
    }
  });

  slopes("norm", ["normBack"], async () => {
    const [rows, dim] = [7, 20];
    const g = gaussians(random, rows * dim);
    for (const add of [false, true]) {
      const inputs = { x: gaussians(random, rows * dim), weight: gaussians(random, dim) };
      // What x and the weight do elsewhere too: x's is replaced unless added to, the weight's is added to.
      const [besideX, besideWeight] = [gaussians(random, rows * dim), gaussians(random, dim)];
      const value = async ({ x, weight }: Record<string, Float32Array>) => {
        const out = f(zeros(rows * dim));
        await call((pass) => pass.norm({ out, x: f(x), weight: f(weight), rows, dim, eps: 1e-2 }));
        return dot(host(out), g) + dot(weight, besideWeight) + (add ? dot(x, besideX) : 0);
      };
      const [dx, dweight] = [f(besideX), f(besideWeight)];
      const { x, weight } = inputs;
      const args = { dx, dweight, dout: f(g), x: f(x), weight: f(weight), rows, dim, eps: 1e-2, add };
      await call((pass) => pass.normBack(args));
      await directional(inputs, value, { x: host(dx), weight: host(dweight) });
    }
  });

  const small: OpName[] = ["ropeBack", "swigluBack", "geluBack", "sumRows", "scatter"];
  slopes("rope, swiglu, GELU, bias rows, lookup", small, async () => {
    const [rows, heads, dim] = [4, 3, 10];
    const g = gaussians(random, rows * heads * dim);
    const angles = f(gaussians(random, rows * dim));
    const dx = f(g);
    await call((pass) => pass.ropeBack({ dx, angles, rows, heads, dim }));
    const turned = async ({ x }: Record<string, Float32Array>) => {
      const out = f(x);
      await call((pass) => pass.rope({ x: out, angles, rows, heads, dim }));
      return dot(host(out), g);
    };
    await directional({ x: gaussians(random, rows * heads * dim) }, turned, { x: host(dx) });

    const count = 50;
    const inputs = { gate: gaussians(random, count), up: gaussians(random, count) };
    const [dgate, dup, dout] = [f(zeros(count)), f(zeros(count)), f(gaussians(random, count))];
    await call((pass) => pass.swigluBack({ dgate, dup, dout, gate: f(inputs.gate), up: f(inputs.up), count }));
    const acted = async ({ gate, up }: Record<string, Float32Array>) => {
      const out = f(zeros(count));
      await call((pass) => pass.swiglu({ out, gate: f(gate), up: f(up), count }));
      return dot(host(out), host(dout));
    };
    await directional(inputs, acted, { gate: host(dgate), up: host(dup) });

    const smooth = { x: gaussians(random, count) };
    const args = { dx: f(zeros(count)), dout, x: f(smooth.x), count };
    await call((pass) => pass.geluBack(args));
    const bent = async ({ x }: Record<string, Float32Array>) => {
      const out = f(x);
      await call((pass) => pass.gelu({ x: out, count }));
      return dot(host(out), host(dout));
    };
    await directional(smooth, bent, { x: host(args.dx) });

    const index = ints([3, 0, 3, 1]);
    const [table, dtable, drow] = [gaussians(random, 4 * dim), f(zeros(4 * dim)), f(gaussians(random, 4 * dim))];
    await call((pass) => pass.scatter({ out: dtable, x: drow, index: oracle.i32([...index]), count: 4, dim }));
    const looked = async ({ x }: Record<string, Float32Array>) => {
      const out = f(zeros(4 * dim));
      await call((pass) => pass.gather({ out, x: f(x), index: oracle.i32([...index]), count: 4, dim }));
      return dot(host(out), host(drow));
    };
    await directional({ x: table }, looked, { x: host(dtable) });

    const dbias = f(zeros(dim));
    await call((pass) => pass.sumRows({ out: dbias, x: drow, rows: 4, dim }));
    const biased = async ({ bias }: Record<string, Float32Array>) => {
      const out = f(zeros(4 * dim));
      const none = { a: f(zeros(4)), b: f(zeros(dim)), m: 4, n: dim, k: 1, turnA: false, turnB: false };
      await call((pass) => pass.product({ out, ...none, bias: f(bias), add: false, scale: 1, bf16: false }));
      return dot(host(out), host(drow));
    };
    await directional({ bias: gaussians(random, dim) }, biased, { bias: host(dbias) });
  });

  const [queryHeads, kvHeads, dim] = [4, 2, 6];
  const heads = { queryHeads, kvHeads, dim };
  const lengths = [9, 14, 1];
  const rows = 24;

  const masked: OpName[] = ["soften", "attendSoft", "attendSoftBack", "softenBack", "decideBack"];
  slopes("gates and attention under their soft mask, immediate eviction too", masked, async () => {
    const tau = 0.7;
    for (const [window, shift, perLayer] of [
      [3, 0, false],
      [3, 0, true],
      [3, 1, false],
      [3, 1, true],
      [0, 0, false],
      [0, 1, true],
    ] as const) {
      const documents = list(documentsOf(lengths, (n) => (n === 14 ? 6 : 0)));
      const g = f(gaussians(random, rows * queryHeads * dim));
      const inputs = {
        q: gaussians(random, rows * queryHeads * dim),
        k: gaussians(random, rows * kvHeads * dim),
        v: gaussians(random, rows * kvHeads * dim),
        raw: gaussians(random, rows * kvHeads).map((x) => x / 10),
      };
      const noises = f(gaussians(random, rows * kvHeads));
      const memory = () => f(zeros(rows * kvHeads));
      const forward = async (given: Record<string, Float32Array>) => {
        const [q, k, v, raw] = ["q", "k", "v", "raw"].map((name) => f(given[name]));
        const [logits, z, soft] = [memory(), memory(), memory()];
        const [out, lse] = [f(zeros(rows * queryHeads * dim)), f(zeros(rows * queryHeads))];
        await call((pass) => {
          pass.decide({ z: logits, raw, rows, kvHeads, scale: 10, offset: 0.5, perLayer });
          pass.soften({ z, soft, logits, noise: noises, documents, kvHeads, tau, shift, hard: false });
          pass.attendSoft({ out, lse, q, k, v, soft, documents, ...heads, window });
        });
        return { q, k, v, z, soft, out, lse };
      };
      const { q, k, v, z, soft, out, lse } = await forward(inputs);
      const [dq, dk, dv] = [q, k, v].map((x) => f(zeros(x.length)));
      const [dsoft, dlogits, draw, pull] = [memory(), memory(), memory(), f(zeros(rows))];
      await call((pass) => {
        const gradients = { dq, dk, dv, dsoft, dout: g };
        pass.attendSoftBack({ ...gradients, out, lse, q, k, v, soft, documents, ...heads, window });
        pass.softenBack({ dlogits, dsoft, z, pull, documents, kvHeads, tau, shift });
        pass.decideBack({ draw, dz: dlogits, rows, kvHeads, scale: 10, perLayer });
      });
      const value = async (given: typeof inputs | Record<string, Float32Array>) =>
        dot(host((await forward(given)).out), host(g));
      await directional(inputs, value, { q: host(dq), k: host(dk), v: host(dv), raw: host(draw) }, 1e-3);
    }
  });

  slopes("attention without gates", ["attendSoft", "attendSoftBack"], async () => {
    const documents = list(documentsOf(lengths));
    const g = f(gaussians(random, rows * queryHeads * dim));
    const inputs = {
      q: gaussians(random, rows * queryHeads * dim),
      k: gaussians(random, rows * kvHeads * dim),
      v: gaussians(random, rows * kvHeads * dim),
    };
    const forward = async (given: Record<string, Float32Array>) => {
      const [q, k, v] = ["q", "k", "v"].map((name) => f(given[name]));
      const [out, lse] = [f(zeros(rows * queryHeads * dim)), f(zeros(rows * queryHeads))];
      const args = { out, lse, q, k, v, soft: null, documents, ...heads, window: 0 };
      await call((pass) => pass.attendSoft(args));
      return args;
    };
    const args = await forward(inputs);
    const [dq, dk, dv] = [args.q, args.k, args.v].map((x) => f(zeros(x.length)));
    await call((pass) => pass.attendSoftBack({ dq, dk, dv, dsoft: null, dout: g, ...args }));
    const value = async (given: Record<string, Float32Array>) => dot(host((await forward(given)).out), host(g));
    await directional(inputs, value, { q: host(dq), k: host(dk), v: host(dv) }, 1e-3);
  });

  slopes("what is pulled goes through the bits as through their sigmoid", ["softenBack"], async () => {
    const rows = 5;
    const documents = list(documentsOf([rows]));
    const [z, pull, dlogits] = [gaussians(random, rows), f(gaussians(random, rows)), f(zeros(rows))];
    const args = { dlogits, dsoft: f(zeros(rows)), z: f(z), pull, documents, kvHeads: 1, tau: 1, shift: 1 };
    await call((pass) => pass.softenBack(args));
    const value = async ({ z }: Record<string, Float32Array>) =>
      z.reduce((sum, x, i) => sum + host(pull)[i] / (1 + Math.exp(-x)), 0);
    await directional({ z }, value, { z: host(dlogits) });
  });

  slopes("a borrowed channel", ["borrowBack"], async () => {
    const [rows, queryHeads, kvHeads, dim] = [3, 4, 2, 6];
    const g = f(gaussians(random, rows * kvHeads));
    const dq = f(zeros(rows * queryHeads * dim));
    await call((pass) => pass.borrowBack({ dq, draw: g, rows, queryHeads, kvHeads, dim }));
    const value = async ({ q }: Record<string, Float32Array>) => {
      const raw = f(zeros(rows * kvHeads));
      await call((pass) => pass.borrow({ raw, q: f(q), rows, queryHeads, kvHeads, dim }));
      return dot(host(raw), host(g));
    };
    await directional({ q: gaussians(random, rows * queryHeads * dim) }, value, { q: host(dq) });
  });

  slopes("losses", ["distill", "predict"], async () => {
    const [rows, vocabulary] = [4, 9];
    const weights = Float32Array.of(0.5, 1, 0, 2);
    const inputs = { logits: gaussians(random, rows * vocabulary) };
    const teacher = f(gaussians(random, rows * vocabulary));
    const targets = oracle.i32([3, 0, 8, 1]);
    const shared = () => ({ losses: f(zeros(rows)), weights: f(weights), rows, vocabulary });
    for (const direction of ["reverse", "forward", "next"] as const) {
      const lossOf = async (given: Float32Array) => {
        const [logits, args] = [f(given), shared()];
        await call((pass) =>
          direction === "next"
            ? pass.predict({ ...args, logits, targets })
            : pass.distill({ ...args, logits, teacher, direction }),
        );
        return { gradient: host(logits), loss: dot(host(args.losses), weights) };
      };
      const { gradient } = await lossOf(inputs.logits);
      const value = async ({ logits }: Record<string, Float32Array>) => (await lossOf(logits)).loss;
      await directional(inputs, value, { logits: gradient });
    }
  });

  test("every operation of training that a gradient passes through has a slope", () => {
    const wanted = (Object.keys(TRAINING) as OpName[]).filter((op) => !WITHOUT_GRADIENT.includes(op));
    const missing = wanted.filter((op) => !sloped.has(op));
    assert.deepEqual(missing, [], `expected a slope test, or a place in WITHOUT_GRADIENT, for ${missing}`);
  });
});
