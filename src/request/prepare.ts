import type { Policy } from "../policy/policy.ts";
import { type LimitOptions, stopIdsOf, tokenLimit } from "./limits.ts";
import { type PolicyChoice, policyOf } from "./policy.ts";
import { encodePrompt, type Prompt, type PromptOptions } from "./prompt.ts";
import type { Session } from "./session.ts";

/** What any call asks for, whatever it does with the reply. */
export interface RequestOptions extends PromptOptions, LimitOptions, PolicyChoice {}

/** What the engine needs to know of a prompt. */
export interface Prepared {
  text: string | null; // of the prompt; null where only its ids are known
  ids: number[];
  maxTokens: number;
  stopIds: ReadonlySet<number>;
  policy: Policy;
}

/**
 * `options.template` holds all variables of the chat template: the prompt is read, and its protected prefix measured,
 * with these.
 */
export async function prepare(session: Session, prompt: Prompt, options: RequestOptions): Promise<Prepared> {
  const { text, ids } = await encodePrompt(session, prompt, options);
  const maxTokens = tokenLimit(session, ids.length, options.maxTokens);
  const stopIds = stopIdsOf(session, options.stopIds);
  const policy = await policyOf(session, prompt, options, ids.length, ids.length + maxTokens);
  return { text, ids, maxTokens, stopIds, policy };
}
