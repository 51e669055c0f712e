import type { ChainSpec } from "../../src/engine/chain.ts";
import { greedy } from "../../src/engine/sampling.ts";

/** A chain that draws at temperature 1 until its limit; what ends it with an error stands in `errors` by its index. */
export const chainSpec = (
  index: number,
  maxTokens: number,
  sampling: Partial<ChainSpec["sampling"]>,
  errors: Error[],
): ChainSpec => ({
  sampling: { ...greedy, temperature: 1, ...sampling },
  maxTokens,
  stopIds: new Set(),
  index,
  onFinish: (_, error) => {
    if (error) errors[index] = error;
  },
});
