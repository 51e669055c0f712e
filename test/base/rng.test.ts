import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded, uniform } from "../../src/base/rng.ts";

/** pcg4d as its authors print it, on big integers cut to 32 bits. */
function pcg4d(words: number[]): number {
  const cut = (x: bigint) => x & 0xffffffffn;
  let [x, y, z, w] = words.map((v) => cut(BigInt(v >>> 0) * 1664525n + 1013904223n));
  const mix = () => {
    x = cut(x + y * w);
    y = cut(y + z * x);
    z = cut(z + x * y);
    w = cut(w + y * z);
  };
  mix();
  [x, y, z, w] = [x, y, z, w].map((v) => v ^ (v >> 16n));
  mix();
  return Number(x);
}

test("uniform is the upper 24 bits of pcg4d's first word", () => {
  const random = seeded(7);
  const cases = [
    [0, 0, 0, 0],
    [1, 2, 3, 4],
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [-1, 0, 0, -1],
  ];
  for (let i = 0; i < 2000; i++)
    cases.push(Array.from({ length: 4 }, () => random.below(2 ** 24) * 256 + random.below(256)));
  for (const c of cases) assert.equal(uniform(c[0], c[1], c[2], c[3]), Math.floor(pcg4d(c) / 256) / 2 ** 24, c.join());
});

test("uniform at neighbouring counters looks uniform", () => {
  for (const axis of [0, 1, 2, 3]) {
    const bins = new Array<number>(64).fill(0);
    for (let i = 0; i < 64000; i++) {
      const c = [5, 6, 7, 8];
      c[axis] += i;
      bins[Math.floor(uniform(c[0], c[1], c[2], c[3]) * 64)]++;
    }
    // Chi-square with 63 degrees of freedom: 1 in 10^6 exceeds 130.
    const chi = bins.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
    assert.ok(chi < 130, `axis ${axis}: chi-square ${chi}`);
  }
});

test("seeded streams repeat, differ by seed, and have the moments they promise", () => {
  const [a, b, c] = [seeded(1), seeded(1), seeded(2)];
  const first = Array.from({ length: 8 }, () => a.next());
  assert.deepEqual(
    Array.from({ length: 8 }, () => b.next()),
    first,
  );
  assert.notDeepEqual(
    Array.from({ length: 8 }, () => c.next()),
    first,
  );
  const normal = Array.from({ length: 40000 }, () => a.gaussian());
  const mean = normal.reduce((s, x) => s + x, 0) / normal.length;
  const variance = normal.reduce((s, x) => s + x * x, 0) / normal.length - mean ** 2;
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.04, `mean ${mean}, variance ${variance}`);
  const seen = new Set(Array.from({ length: 500 }, () => a.below(7)));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5, 6]);
});
