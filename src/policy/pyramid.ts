import { refuse } from "./options.ts";
import type { LaneInfo, Policy } from "./policy.ts";

/** Halves to even, as the authors' language rounds. */
const rounded = (x: number): number => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));

/**
 * PyramidKV (arXiv 2406.02069): budgets fall linearly with depth around the same mean B: most = 2 B - B /
 * beta at the first layer (at most what lies outside the window), least = 2 B - most at the last; where
 * that is not possible every layer has B.
 */
export function pyramid(policy: Policy, beta: number): Policy {
  if (!(beta >= 1)) throw refuse(policy.name, "pyramid (beta) to be at least 1", beta);
  const { cut } = policy;
  if (!cut || cut.rule.replace)
    throw refuse(policy.name, "a policy that cuts lanes in batches, for pyramid", policy.name);
  const window = cut.rule.recent;
  const budget = (lane: LaneInfo): number => {
    const length = cut.decode ? lane.tokens : lane.prompt;
    const mean = cut.budget(lane);
    let least = mean / beta;
    let most = 2 * mean - least;
    if (most >= length - window) {
      most = length - window;
      least = 2 * mean - most;
    }
    if (!(length >= most && most >= least && least >= window) || lane.layers === 1) return mean;
    return rounded(most - (lane.layer * (most - least)) / (lane.layers - 1));
  };
  return { ...policy, key: `${policy.key} pyramid=${beta}`, cut: { ...cut, budget } };
}
