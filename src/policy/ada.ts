import { refuse } from "./options.ts";
import type { Policy } from "./policy.ts";

/**
 * AdaKV (arXiv 2407.11550): a layer's KV heads share their budgets, best keys first; each
 * keeps `floor` of its own in any case.
 */
export function ada(policy: Policy, floor: number): Policy {
  if (!(floor >= 0 && floor <= 1)) throw refuse(policy.name, "ada to be a share from 0 to 1", floor);
  const { cut } = policy;
  if (cut?.rule.share !== "lane" || cut.rule.replace)
    throw refuse(policy.name, "a policy that cuts lanes in batches, for ada", policy.name);
  return {
    ...policy,
    key: `${policy.key} ada=${floor}`,
    cut: { ...cut, rule: { ...cut.rule, share: "layer", floor } },
  };
}
