// When two lists of numbers are equal to the last bit, and when they are near.
import assert from "node:assert/strict";

/** The bits of float32 numbers: 0 and -0 differ, and a NaN equals itself. */
export const bits = (values: ArrayLike<number>): Uint32Array => new Uint32Array(Float32Array.from(values).buffer);

/** FNV-1a over the bits of a row of logits: equal hashes mean equal bits. */
export function hashBits(values: Float32Array): string {
  let hash = 0x811c9dc5;
  for (const word of bits(values)) hash = Math.imul(hash ^ word, 0x01000193) ^ (word >>> 15);
  return (hash >>> 0).toString(16);
}

/** NaN where either list holds one. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

/**
 * |got - expected| <= relative |expected| + absolute, number by number, infinities equal; float32 leaves so much of
 * sums that cancel.
 */
export function near(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  { relative = 1e-4, absolute = 2e-6 }: { relative?: number; absolute?: number } = {},
): void {
  assert.equal(got.length, expected.length, what);
  for (let i = 0; i < got.length; i++)
    if (
      got[i] !== expected[i] &&
      !(Number.isFinite(expected[i]) && Math.abs(got[i] - expected[i]) <= relative * Math.abs(expected[i]) + absolute)
    )
      assert.fail(`${what}: number ${i}: expected ${expected[i]}, got ${got[i]}`);
}
