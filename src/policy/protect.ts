import { refuse } from "./options.ts";
import type { Policy } from "./policy.ts";

/** Keeps the first `count` positions, or the whole prompt, whatever the policy's scores say; they count against its budget. */
export function protect(policy: Policy, count: number | "prompt"): Policy {
  if (count !== "prompt" && !(Number.isInteger(count) && count >= 0))
    throw refuse(policy.name, "protect to be prompt, system or a number of tokens", count);
  const { cut, labels } = policy;
  const key = `${policy.key} protect=${count}`;
  if (cut)
    return {
      ...policy,
      key,
      cut: { ...cut, protect: count === "prompt" ? count : Math.max(count, Number(cut.protect) || 0) },
    };
  if (labels) {
    const spare = count === "prompt" || labels.spare === "prompt" ? "prompt" : Math.max(labels.spare, count);
    return { ...policy, key, labels: { ...labels, spare } };
  }
  return policy;
}
