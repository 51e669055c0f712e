import { refuse } from "./options.ts";
import type { Policy } from "./policy.ts";

/** First positions that stay, of a prompt of so many tokens. */
export const tokensOf = (kept: number | "prompt", prompt: number): number => (kept === "prompt" ? prompt : kept);

/**
 * Keeps the first `count` positions, or the whole prompt, whatever the policy's scores
 * say; they count against its budget.
 */
export function protect(policy: Policy, count: number | "prompt"): Policy {
  if (count !== "prompt" && !(Number.isInteger(count) && count >= 0))
    throw refuse(policy.name, "protect to be prompt, system or a number of tokens", count);
  const { cut, labels } = policy;
  const key = `${policy.key} protect=${count}`;
  const more = (before: number | "prompt") =>
    count === "prompt" || before === "prompt" ? "prompt" : Math.max(before, count);
  if (cut) return { ...policy, key, cut: { ...cut, protect: more(cut.protect) } };
  if (labels) return { ...policy, key, labels: { ...labels, protect: more(labels.protect) } };
  return policy;
}

/**
 * Keeps the first `count` positions besides the budget, which is of the rest of the prompt: what
 * KVzip's authors do with a chat's prefix.
 */
export function keepPrefix(policy: Policy, count: number): Policy {
  const { cut } = policy;
  if (!cut) return policy;
  const kept = protect(policy, count);
  const budget: typeof cut.budget = (lane) => {
    const prefix = Math.min(count, lane.prompt);
    return prefix + cut.budget({ ...lane, prompt: lane.prompt - prefix, tokens: lane.tokens - prefix });
  };
  return { ...kept, key: `${policy.key} prefix=${count}`, cut: { ...kept.cut!, budget } };
}
