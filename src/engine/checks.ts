// What is refused before anything runs.
import { badArgument } from "../base/errors.ts";
import type { Policy } from "../policy/policy.ts";
import type { ChainSpec } from "./chain.ts";
import type { Runner } from "./runner.ts";
import { checkSampling } from "./sampling.ts";

/** Throws `bad-argument` where a prompt is none, or too long for the context or the policy. */
export function checkPrompt(runner: Runner, prompt: readonly number[], policy: Policy): void {
  const { contextLength } = runner.options;
  const V = runner.model.config.vocabulary;
  if (prompt.length === 0) throw badArgument("the prompt is empty: expected at least one token");
  if (prompt.length >= contextLength)
    throw badArgument(
      `the prompt has ${prompt.length} tokens: expected fewer than the context limit of ${contextLength}; shorten it or raise --context`,
    );
  runner.check(policy, prompt.length);
  const bad = prompt.find((id) => !Number.isInteger(id) || id < 0 || id >= V);
  if (bad !== undefined) throw badArgument(`token id ${bad} in the prompt: expected 0 to ${V - 1}`);
}

/** Throws `bad-argument`. */
export function checkSpec(spec: ChainSpec): void {
  checkSampling(spec.sampling);
  if (!Number.isInteger(spec.maxTokens) || spec.maxTokens < 1)
    throw badArgument(`max tokens must be a whole number >= 1, got ${spec.maxTokens}`);
}
