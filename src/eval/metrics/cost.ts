import { badArgument } from "../../base/errors.ts";
import { mean } from "../../base/mean.ts";
import type { ProblemChains } from "./chain.ts";
import { meanOverSubsets } from "./majority.ts";

/** What a budget is counted in. */
export type Budget = "reads" | "tokens" | "peakKeys" | "peakBytes";

/**
 * What w of a problem's W chains cost: the mean over all w-subsets. Reads and tokens are sums over the chains; a peak
 * is what each chain adds to the prompt at its own peak, summed, and the prompt once: as if all peaked at one time. In
 * subsets that stay below what the prompt took while it was read, that is the peak; where these may be some of very
 * many, their part is counted as `meanOverSubsets` counts. Throws `bad-argument` unless 1 <= w <= W.
 */
export function costOf({ problem, chains }: ProblemChains, w: number, budget: Budget): number {
  if (!(Number.isInteger(w) && w >= 1 && w <= chains.length))
    throw badArgument(`problem ${problem}: expected 1 to ${chains.length} of its chains, got ${w}`);
  if (budget === "reads" || budget === "tokens") return w * mean(chains.map((chain) => chain[budget]));
  const { prompt } = chains[0];
  const [shared, whileRead] = budget === "peakKeys" ? [prompt.keys, prompt.peakKeys] : [prompt.bytes, prompt.peakBytes];
  const own = chains.map((chain) => Math.max(0, chain[budget] - shared));
  const ascending = own.toSorted((a, b) => a - b);
  const together = (some: readonly number[]) => shared + some.reduce((sum, each) => sum + each, 0);
  if (whileRead >= together(ascending.slice(-w))) return whileRead;
  const average = shared + w * mean(own);
  if (whileRead <= together(ascending.slice(0, w))) return average;
  // The mean of what the prompt took beyond each subset: what varies less is drawn better.
  const beyond = (subset: readonly number[]) => Math.max(0, whileRead - together(subset.map((i) => own[i])));
  return average + meanOverSubsets(own.length, w, beyond);
}
