import { badArgument } from "../../base/errors.ts";
import { mean } from "../../base/mean.ts";
import type { ChainRow, ProblemChains } from "./chain.ts";

/** What a budget is counted in. */
export type Budget = "reads" | "tokens" | "peakKeys" | "peakBytes";

/**
 * What w of a problem's W chains cost: the mean over all w-subsets. Reads and tokens are sums over the chains; a peak
 * is what each chain adds to the prompt at its own peak, summed, and the prompt once: as if all peaked at one time. A
 * prompt that took more while it was read sets the peak. Throws `bad-argument` unless 1 <= w <= W.
 */
export function costOf({ problem, chains }: ProblemChains, w: number, budget: Budget): number {
  if (!(Number.isInteger(w) && w >= 1 && w <= chains.length))
    throw badArgument(`problem ${problem}: expected 1 to ${chains.length} of its chains, got ${w}`);
  if (budget === "reads" || budget === "tokens") return w * mean(chains.map((chain) => chain[budget]));
  const { prompt } = chains[0];
  const [shared, whileRead] = budget === "peakKeys" ? [prompt.keys, prompt.peakKeys] : [prompt.bytes, prompt.peakBytes];
  const own = (chain: ChainRow) => Math.max(0, chain[budget] - shared);
  return Math.max(whileRead, shared + w * mean(chains.map(own)));
}
