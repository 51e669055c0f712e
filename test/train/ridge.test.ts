import assert from "node:assert/strict";
import { test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { seeded } from "../../src/base/rng.ts";
import { Ridge } from "../../src/train/fit/ridge.ts";

const f = (...values: number[]) => Float32Array.from(values);
const close = (got: ArrayLike<number>, wanted: readonly number[]) => {
  assert.equal(got.length, wanted.length);
  wanted.forEach((w, i) => {
    assert.ok(Math.abs(got[i] - w) <= 1e-6 * (1 + Math.abs(w)), `number ${i}: expected ${w}, got ${got[i]}`);
  });
};

test("a line by hand, its intercept free of the penalty", () => {
  const ridge = new Ridge(1, 1);
  ridge.add(f(10, 11, 12), f(1, 3, 5), 3);
  // Variance 2/3, covariance 4/3: slope 2 / (1 + penalty) through (11, 3).
  for (const penalty of [0, 1, 3]) {
    const { weight, bias } = ridge.solve(penalty);
    const slope = 2 / (1 + penalty);
    close(weight, [slope]);
    close(bias, [3 - 11 * slope]);
  }
});

test("two inputs and two outputs by hand", () => {
  const ridge = new Ridge(2, 2);
  // Covariances [[1, 1/2], [1/2, 1]] around means 0, mean variance 1.
  const root = Math.sqrt(3) / 2;
  const x = [1, 1 / 2 + root, 1, 1 / 2 - root, -1, -1 / 2 + root, -1, -1 / 2 - root];
  const y = [0, 1, 2, 3].flatMap((r) => [x[2 * r] + 2 * x[2 * r + 1] + 5, -x[2 * r]]);
  ridge.add(f(...x), f(...y), 4);
  const exact = ridge.solve(0);
  close(exact.weight, [1, 2, -1, 0]);
  close(exact.bias, [5, 0]);
  // With penalty 1: [[2, 1/2], [1/2, 2]] w = C (1, 2) = (2, 5/2), so w = (11, 16) / 15; and of (-1, 0): (-1, -1/2), so
  // (-7, -2) / 15.
  const held = ridge.solve(1);
  close(held.weight, [11 / 15, 16 / 15, -7 / 15, -2 / 15]);
  close(held.bias, [5, 0]);
});

test("rows in any portions give the least sum of squares", () => {
  const [inputs, outputs, rows, penalty] = [13, 3, 101, 0.05];
  const random = seeded(1);
  const x = Float32Array.from({ length: rows * inputs }, (_, i) => random.gaussian() * (1 + (i % inputs)) + 3);
  const y = Float32Array.from({ length: rows * outputs }, () => random.gaussian());
  const solved = [[101], [1, 7, 8, 9, 76]].map((portions) => {
    const ridge = new Ridge(inputs, outputs);
    let at = 0;
    for (const count of portions) {
      ridge.add(x.subarray(at * inputs), y.subarray(at * outputs), count);
      at += count;
    }
    assert.equal(ridge.rows, rows);
    return ridge.solve(penalty);
  });
  close(solved[1].weight, [...solved[0].weight]);
  // At the least, what is minimised has no slope: residuals and penalty pull alike.
  const { weight, bias } = solved[0];
  const means = Array.from({ length: inputs }, (_, i) => {
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += x[r * inputs + i] / rows;
    return sum;
  });
  const variance = means.reduce((sum, mean, i) => {
    for (let r = 0; r < rows; r++) sum += (x[r * inputs + i] - mean) ** 2 / rows / inputs;
    return sum;
  }, 0);
  for (let o = 0; o < outputs; o++) {
    const off = Array.from({ length: rows }, (_, r) => {
      let predicted = bias[o];
      for (let i = 0; i < inputs; i++) predicted += weight[o * inputs + i] * x[r * inputs + i];
      return y[r * outputs + o] - predicted;
    });
    assert.ok(Math.abs(off.reduce((a, b) => a + b)) < 1e-3);
    for (let i = 0; i < inputs; i++) {
      const pull = off.reduce((sum, e, r) => sum + (e * x[r * inputs + i]) / rows, 0);
      assert.ok(Math.abs(pull - penalty * variance * weight[o * inputs + i]) < 1e-4, `output ${o}, input ${i}`);
    }
  }
});

test("rows that tell too little are refused where nothing holds the weights", () => {
  const ridge = new Ridge(3, 1);
  ridge.add(f(1, 2, 4, 2, 4, 8), f(1, 2), 2);
  assert.throws(
    () => ridge.solve(0),
    (error) => error instanceof HyperthinkError && error.code === "bad-argument" && /more rows/.test(error.message),
  );
  assert.ok(ridge.solve(0.1).weight.every(Number.isFinite));
});
