import type { Policy } from "./policy.ts";

let made = 0;
const numbers = new WeakMap<object, number>();
const kinds = new WeakMap<Policy, string>();

/**
 * Sets whose policies are of one kind go through the same operations and share lists in a pass: what else they differ
 * in (window, threshold, budgets, protected keys, a query's place) lies with the set.
 */
export function kindOf(policy: Policy): string {
  let kind = kinds.get(policy);
  if (kind === undefined) {
    const { prefill, labels, cut, reads } = policy;
    const acts = cut && { ...cut, budget: null, protect: null };
    const looks = reads && {
      archive: reads.archivePosition !== null,
      pages: reads.pages && { from: reads.pages.from },
    };
    kind = JSON.stringify([prefill, labels?.source ?? null, acts, looks], (_key, value) =>
      typeof value === "function" ? numberOf(value) : value,
    );
    kinds.set(policy, kind);
  }
  return kind;
}

/** Functions are told apart by identity. */
function numberOf(f: object): number {
  const number = numbers.get(f) ?? made++;
  numbers.set(f, number);
  return number;
}
