// Counter-based random numbers: a draw depends on what it is for, never on what was drawn before it.

/**
 * A uniform number in [0, 1) with 24 bits, a function of four 32-bit words and nothing else: pcg4d of Jarzynski and
 * Olano, "Hash Functions for GPU Rendering" (JCGT 9(3), 2020). Every device computes the same bits.
 */
export function uniform(seedLow: number, seedHigh: number, chain: number, position: number): number {
  let x = step(seedLow);
  let y = step(seedHigh);
  let z = step(chain);
  let w = step(position);
  x = (x + Math.imul(y, w)) | 0;
  y = (y + Math.imul(z, x)) | 0;
  z = (z + Math.imul(x, y)) | 0;
  w = (w + Math.imul(y, z)) | 0;
  x ^= x >>> 16;
  y ^= y >>> 16;
  z ^= z >>> 16;
  w ^= w >>> 16;
  x = (x + Math.imul(y, w)) | 0; // the other three of this round only feed words that are not returned
  return (x >>> 8) * 2 ** -24;
}

function step(word: number): number {
  return (Math.imul(word, 1664525) + 1013904223) | 0;
}

/** A stream of numbers for tests and synthetic data. */
export interface Seeded {
  /** Uniform in [0, 1). */
  next(): number;
  /** Whole number in 0 .. n - 1. */
  below(n: number): number;
  /** Standard normal. */
  gaussian(): number;
}

/** The stream of `seed`, of one `purpose` and one `index` (32-bit whole numbers): where one differs, streams do. */
export function seeded(seed: number, purpose = 0x9e3779b9, index = 0): Seeded {
  let drawn = 0;
  const next = () => uniform(seed, purpose, index, drawn++);
  return {
    next,
    below: (n) => Math.floor(next() * n),
    gaussian: () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()),
  };
}

/** The items in a random order, all orders equally likely (Fisher and Yates). */
export function shuffled<T>(rng: Seeded, items: Iterable<T>): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = rng.below(i + 1);
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}
