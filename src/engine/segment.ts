import type { Policy } from "../policy/policy.ts";

/** Consecutive tokens of one set that one pass feeds. */
export interface Segment {
  set: number;
  kind: "chunk" | "steps"; // prompt tokens by prefill attention, or decode attention token by token
  ids: ArrayLike<number>;
  from: number; // first of `ids` to feed; also its position
  count: number;
  logits: "none" | "last" | "all";
  /**
   * A chunk that reads on after a prompt over a fork of its lanes: it scores slots [from, to) of `set`, which holds the
   * prompt.
   */
  scores?: { set: number; from: number; to: number };
}

/** What a set was opened for. */
export interface OpenSet {
  policy: Policy;
  prompt: number; // its tokens: what comes after them was decoded
  tokens: number; // prompt and the most new tokens
}

/** Does a set's policy cut after this decoded token? */
export function cutsAt({ policy, prompt }: OpenSet, position: number): boolean {
  const every = policy.cut?.decode?.every ?? 0;
  return every > 0 && position >= prompt && (position - prompt + 1) % every === 0;
}
