import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { heldOut, type Pieces, shuffledPieces } from "../../src/train/data/pieces.ts";
import { fingerprintOf } from "../../src/train/disk/fingerprint.ts";

/** Pieces whose only token is their number. */
const numbered = (count: number): Pieces => ({
  description: "numbers",
  fingerprint: fingerprintOf(count),
  count,
  at: (index) => ({ ids: Int32Array.of(index), learn: null }),
});
const numbers = (pieces: Pieces, from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => pieces.at(from + i).ids[0]);
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const sorted = (list: number[]): number[] => list.sort((a, b) => a - b);

const isError = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError && error.code === "bad-argument", String(error));
  assert.match(error.message, message);
  return true;
};

describe("shuffled pieces", () => {
  test("each epoch has each piece once, in an order of its own", () => {
    for (const count of [1, 2, 3, 7, 100, 1025]) {
      const pieces = shuffledPieces(numbered(count), 5);
      assert.equal(pieces.count, Number.POSITIVE_INFINITY);
      const epochs = [0, 1, 2, 9].map((epoch) => numbers(pieces, epoch * count, (epoch + 1) * count));
      for (const epoch of epochs) assert.deepEqual(sorted([...epoch]), range(count));
      if (count >= 100) {
        assert.equal(new Set(epochs.map((epoch) => epoch.join())).size, epochs.length);
        assert.ok(epochs[0].filter((n, i) => n === i).length < 10, "few stay where they were");
      }
    }
  });

  test("a function of number and seed: read in any order, by another object, the same", () => {
    const [a, b, other] = [5, 5, 6].map((seed) => shuffledPieces(numbered(50), seed));
    const all = numbers(a, 0, 200);
    for (const index of [199, 3, 120, 49, 50, 0]) assert.equal(b.at(index).ids[0], all[index]);
    assert.notDeepEqual(numbers(other, 0, 200), all);
    assert.equal(a.fingerprint, b.fingerprint);
    assert.notEqual(a.fingerprint, other.fingerprint);
    assert.notEqual(a.fingerprint, shuffledPieces(numbered(51), 5).fingerprint);
  });

  test("all orders of three are about as frequent", () => {
    const pieces = shuffledPieces(numbered(3), 1);
    const times = new Map<string, number>();
    for (let epoch = 0; epoch < 6000; epoch++) {
      const order = numbers(pieces, 3 * epoch, 3 * epoch + 3).join();
      times.set(order, (times.get(order) ?? 0) + 1);
    }
    assert.equal(times.size, 6);
    // Chi-square with 5 degrees of freedom: 1 in 10^6 exceeds 36.
    const chi = [...times.values()].reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
    assert.ok(chi < 36, `chi-square ${chi}`);
  });

  test("generated ones stay as they come; none are refused", () => {
    const endless = numbered(Number.POSITIVE_INFINITY);
    assert.equal(shuffledPieces(endless, 1), endless);
    assert.throws(() => shuffledPieces(numbered(0), 1), isError(/numbers: expected at least one piece/));
  });
});

describe("held out pieces", () => {
  /** Documents of so many pieces each, whose places are drawn by the numbers given. */
  const cut = (counts: readonly number[], places: readonly number[]): Pieces => {
    const ends = Float64Array.from(counts, (_, i) => counts.slice(0, i + 1).reduce((a, b) => a + b));
    return { ...numbered(ends.at(-1)!), documents: { ends, places: Float64Array.from(places) } };
  };
  const held = (pieces: Pieces, share: number) => {
    const { train, test } = heldOut(pieces, share);
    const [left, out] = [numbers(train, 0, train.count), numbers(test, 0, test.count)];
    assert.deepEqual(sorted([...left, ...out]), range(pieces.count));
    assert.deepEqual([left, out], [sorted([...left]), sorted([...out])]);
    assert.ok(left.length > 0 && out.length > 0);
    return out;
  };

  test("both parts together are all, in order and apart; pieces by themselves are documents", () => {
    for (const [count, share] of [
      [2, 0.5],
      [2, 0.01],
      [2, 0.99],
      [10, 0.3],
      [1000, 0.05],
      [1000, 0.9999],
    ])
      held(numbered(count), share);
    const out = held(numbered(1000), 0.05);
    assert.ok(out.length > 25 && out.length < 85, `${out.length}`);
    const { train, test } = heldOut(numbered(10), 0.3);
    assert.equal(new Set([train, test, numbered(10)].map(({ fingerprint }) => fingerprint)).size, 3);
    assert.match(test.description, /numbers: \d+ held out/);
  });

  test("documents stay whole and are chosen by their places; what is added beside them changes nothing", () => {
    assert.deepEqual(held(cut([3, 2, 1, 4], [0.3, 0.05, 0.09, 0.2]), 0.1), [3, 4, 5]);
    assert.deepEqual(held(cut([2, 3, 2, 1, 4], [0.7, 0.3, 0.05, 0.09, 0.2]), 0.1), [5, 6, 7]);
  });

  test("where none or all lie below the share, the first or all but the last are held out", () => {
    assert.deepEqual(held(cut([1, 2, 2], [0.3, 0.15, 0.9]), 0.1), [1, 2]);
    assert.deepEqual(held(cut([1, 2, 2], [0.3, 0.15, 0.5]), 0.4), [0, 1, 2]);
    assert.deepEqual(held(cut([1, 1, 1], [0.1, 0.2, 0.3]), 0.9), [0, 1]);
    assert.deepEqual(held(cut([2, 2], [0.3, 0.3]), 0.1), [3]);
  });

  test("of long documents the end is held out", () => {
    assert.deepEqual(held(cut([20], [0.05]), 0.1), [18, 19]);
    assert.deepEqual(held(cut([2], [0.05]), 0.1), [1]);
    assert.deepEqual(held(cut([10, 1, 2, 10], [0.05, 0.01, 0.7, 0.9]), 0.1), [9, 10, 22]);
    assert.deepEqual(held(cut([8, 1], [0.05, 0.5]), 0.1), [7]);
  });

  test("too few, without end, or no share is refused", () => {
    for (const count of [0, 1])
      assert.throws(() => heldOut(numbered(count), 0.5), isError(/at least 2 pieces.*more text, or shorter/));
    assert.throws(() => heldOut(numbered(Number.POSITIVE_INFINITY), 0.5), isError(/without end/));
    for (const share of [0, 1, -1, Number.NaN])
      assert.throws(() => heldOut(numbered(9), share), isError(/a share between 0 and 1/));
  });
});

test("a fingerprint is of values, not of the order of keys", () => {
  assert.equal(fingerprintOf({ a: 1, b: { c: [1, 2], d: null } }), fingerprintOf({ b: { d: null, c: [1, 2] }, a: 1 }));
  assert.notEqual(fingerprintOf({ a: [1, 2] }), fingerprintOf({ a: [2, 1] }));
  assert.match(fingerprintOf(1), /^[0-9a-f]{64}$/);
});
