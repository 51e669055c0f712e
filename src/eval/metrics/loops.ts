// A chain that repeats itself until it is cut off.

/** The end of a chain that is one pattern again and again. */
export interface Loop {
  period: number; // items of the pattern
  length: number; // items of the tail that it fills, the last repetition perhaps in part
}

export interface LoopOptions {
  /** Shortest tail, default 64 tokens. */
  least?: number;
  /** Fewest repetitions of the pattern in it, default 4. */
  repeats?: number;
  /** Items that are searched, from the end; default 16,384. */
  searched?: number;
}

/**
 * The longest tail of a chain's tokens (or other items) that a pattern fills: of all suffixes of at least `least` items
 * whose smallest period p has p * `repeats` <= their length, the longest, with its p; null where there is none. A
 * sequence has period p where each item equals the one p places before it. Loops that count, or vary a word, are none.
 * Linear in `searched`: the failure function of Knuth, Morris and Pratt over the reversed tail gives every suffix's
 * smallest period.
 */
export function loopOf(items: ArrayLike<number>, options: LoopOptions = {}): Loop | null {
  const { least = 64, repeats = 4, searched = 16_384 } = options;
  const n = Math.min(items.length, searched);
  const at = (i: number) => items[items.length - 1 - i];
  const border = new Int32Array(n); // of the suffix of i + 1 items: the longest proper one that also begins it
  let found: Loop | null = null;
  for (let i = 0; i < n; i++) {
    let k = i === 0 ? 0 : border[i - 1];
    while (i > 0 && k > 0 && at(i) !== at(k)) k = border[k - 1];
    border[i] = i > 0 && at(i) === at(k) ? k + 1 : 0;
    const length = i + 1;
    const period = length - border[i];
    if (length >= least && period * repeats <= length) found = { period, length };
  }
  return found;
}
