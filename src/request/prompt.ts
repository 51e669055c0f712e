import { badArgument } from "../base/errors.ts";
import type { ChatMessage } from "../model/chat.ts";
import { renderLiteral } from "../model/literal.ts";
import type { EncodeOptions } from "../model/tokenizer.ts";
import type { Session } from "./session.ts";

/**
 * A question (rendered by the model's chat template), a conversation, text as it is (control tokens that it spells are
 * tokens; what the tokenizer puts around a text is added where it is not there already), or token ids.
 */
export type Prompt = string | readonly ChatMessage[] | { raw: string } | { ids: readonly number[] };

/** How a prompt becomes tokens. */
export interface PromptOptions {
  /** Extra variables of the chat template, such as { enable_thinking: false }. */
  template?: Record<string, unknown>;
  /**
   * What the spelling of a control token (`<|im_end|>`, `<think>`) is in a chat's messages that are not the
   * assistant's: "text" (default), so that a user's text cannot end its turn; or "parse", the token, as in a raw prompt
   * and in an assistant's own turns.
   */
  controlTokens?: "text" | "parse";
  signal?: AbortSignal;
}

/** Ids of a prompt, and the text that they stand for where it is known. */
export async function encodePrompt(
  session: Session,
  prompt: Prompt,
  { template, controlTokens, signal }: PromptOptions = {},
): Promise<{ text: string | null; ids: number[] }> {
  checkPrompt(prompt);
  if (typeof prompt === "object" && "ids" in prompt) return { text: null, ids: [...prompt.ids] };
  const { tokenizer } = session;
  const encode = async (text: string, options: EncodeOptions) => {
    if (text.length > LONG) checkLength(tokenizer.least(text), session.runner.options.contextLength);
    return { text, ids: await tokenizer.encode(text, { ...options, signal }) };
  };
  if (typeof prompt === "object" && "raw" in prompt) return encode(prompt.raw, { special: true });
  const messages: readonly ChatMessage[] = typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt;
  const variables = { addGenerationPrompt: true, ...template };
  if (controlTokens === "parse") return encode(session.chat.render(messages, variables), { special: false });
  const { text, literal } = renderLiteral(session.chat, messages, variables, tokenizer.control);
  return encode(text, { special: false, literal });
}

/**
 * A template would make turns of what is no question, and the model would answer it. Untyped callers pass undefined,
 * too.
 */
function checkPrompt(prompt: Prompt): void {
  const got = Array.isArray(prompt) && prompt.length === 0 ? "no messages" : typeof prompt;
  if ((typeof prompt !== "string" && (typeof prompt !== "object" || prompt === null)) || got === "no messages")
    throw badArgument(`expected a question, messages, { raw: text } or { ids } as the prompt, got ${got}`);
  if (typeof prompt === "string" && prompt.trim() === "")
    throw badArgument("expected a question as the prompt, got an empty or a blank one");
}

/** Characters that take so long to tokenise that it is worth knowing before that they cannot fit. */
const LONG = 1 << 16;

function checkLength(least: number, contextLength: number): void {
  if (least >= contextLength)
    throw badArgument(
      `the prompt has ${least} tokens at least: expected fewer than the context limit of ${contextLength}; shorten it or raise --context`,
    );
}
