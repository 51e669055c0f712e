// How chains are asked that are to vote.

import { greedy, type Sampling } from "../engine/sampling.ts";
import { chooseSampling, type SamplingUsed } from "../request/sampling.ts";
import type { Session } from "../request/session.ts";

/**
 * What is given, else what the checkpoint suggests; the temperature is 1 where nobody names one, or where the
 * checkpoint asks for greedy: equal chains cannot vote.
 */
export function votingSampling({ suggested }: Session, given: Partial<Sampling>): SamplingUsed {
  const { sampling } = suggested;
  return chooseSampling(
    given,
    { ...sampling, temperature: sampling.temperature || undefined },
    { ...greedy, temperature: 1 },
  );
}

/**
 * Variables of the chat template. Some (QwQ's among them) close the thinking at once unless they are told not to;
 * others ignore the variable.
 */
export const votingTemplate = (given?: Record<string, unknown>) => ({ enable_thinking: true, ...given });
