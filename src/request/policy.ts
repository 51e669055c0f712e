import { badArgument } from "../base/errors.ts";
import type { ChatMessage } from "../model/chat.ts";
import { checkRoom } from "../policy/check.ts";
import { recipeOf } from "../policy/index.ts";
import type { Policy } from "../policy/policy.ts";
import { keepPrefix, protect } from "../policy/protect.ts";
import { parseSpec } from "../policy/spec.ts";
import { encodePrompt, type Prompt, type PromptOptions } from "./prompt.ts";
import type { Session } from "./session.ts";

/** Which policy the cache is kept under. */
export interface PolicyChoice {
  /**
   * A policy by name with settings ("snapkv:cr=4,window=32"; `hyperthink policies` lists them), or a policy of one's
   * own; default: dms where the model has gates, else full.
   */
  policy?: string | Policy;
  /** Settings beside those that `policy` names. */
  window?: number;
  cr?: number;
  budget?: number;
  threshold?: number;
  /** First positions that no cut takes: a number, the prompt, or a chat's system text. */
  protect?: number | "prompt" | "system";
}

/**
 * The policy of a prompt that was encoded with the same options to `promptTokens`; `tokens`: these and the most new
 * ones. Throws `bad-argument` where what is protected leaves room for nothing else.
 */
export async function policyOf(
  session: Session,
  prompt: Prompt,
  options: PolicyChoice & PromptOptions,
  promptTokens: number,
  tokens: number,
): Promise<Policy> {
  const spec = typeof options.policy === "string" ? parseSpec(options.policy) : null;
  const wanted = options.protect ?? spec?.options.protect;
  const kept = wanted === "system" ? await systemTokens(session, prompt, options) : wanted;
  const policy = named(session, options, kept, tokens);
  const isChat = typeof prompt === "string" || Array.isArray(prompt);
  if (kept === undefined && spec && recipeOf(spec.name).keepsPrefix && isChat)
    return keepPrefix(policy, await prefixTokens(session, prompt, options));
  const { layers, kvHeads } = session.config;
  if (kept !== undefined || policy.cut?.protect === "prompt")
    checkRoom(policy, { layers, kvHeads, prompt: promptTokens, tokens });
  return policy;
}

function named(
  session: Session,
  { policy, window, cr, budget, threshold }: PolicyChoice,
  kept: number | "prompt" | undefined,
  tokens: number,
): Policy {
  const settings = { window, cr, budget, threshold };
  if (typeof policy !== "object") return session.policy(policy, { ...settings, protect: kept, tokens });
  for (const [name, value] of Object.entries(settings))
    if (value !== undefined)
      throw badArgument(
        `${name}=${value} beside a policy object: expected its settings in the object, or a policy's name`,
      );
  const own = session.check(policy);
  return kept === undefined ? own : protect(own, kept);
}

/** Tokens of a chat up to the end of its system text. */
function systemTokens(session: Session, prompt: Prompt, options: PromptOptions): Promise<number> {
  if (!Array.isArray(prompt) || prompt[0]?.role !== "system")
    throw badArgument(
      "protect=system: expected a chat that starts with a system message (generate: --system TEXT), got none",
    );
  return prefixTokens(session, prompt, options);
}

/** Tokens of a chat before its question: what does not change with it. */
async function prefixTokens(
  session: Session,
  prompt: string | readonly ChatMessage[],
  options: PromptOptions,
): Promise<number> {
  const system = typeof prompt !== "string" && prompt[0]?.role === "system" ? [prompt[0]] : [];
  const ids = async (question: string) =>
    (await encodePrompt(session, [...system, { role: "user", content: question }], options)).ids;
  const [a, b] = [await ids("1"), await ids("Why?")];
  const differs = a.findIndex((id, i) => id !== b[i]);
  return differs < 0 ? a.length : differs;
}
