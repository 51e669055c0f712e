// Does a prompt open the thinking? Only what stands after the last turn counts: a question may well mention the tag.

import { type ChatMessage, type ChatTemplate, replyOpening } from "../model/chat.ts";
import type { Prompt } from "./prompt.ts";
import type { Session } from "./session.ts";
import { leavesOpen, type Thinking } from "./thinking.ts";

/** Whether the model's reply begins within the thinking. `template`: the variables that the prompt is rendered with. */
export function opensThinking(
  session: Pick<Session, "chat" | "tokenizer">,
  prompt: Prompt,
  template: Record<string, unknown>,
  thinking: Thinking,
): boolean {
  if (typeof prompt === "object" && "ids" in prompt)
    return leavesOpen(lastTurn(session, session.tokenizer.decode(prompt.ids, { special: true }), thinking), thinking);
  if (typeof prompt === "object" && "raw" in prompt)
    return leavesOpen(lastTurn(session, prompt.raw, thinking), thinking);
  const messages = typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt;
  return leavesOpen(generationPrompt(session.chat, messages, template), thinking);
}

/** What the template adds for the reply; all of the prompt where that cannot be told. */
function generationPrompt(
  chat: ChatTemplate,
  messages: readonly ChatMessage[],
  template: Record<string, unknown>,
): string {
  const render = (conversation: readonly ChatMessage[], addGenerationPrompt: boolean) =>
    orElse(null, () => chat.render(conversation, { ...template, addGenerationPrompt }));
  const [whole, without] = [render(messages, true) ?? "", render(messages, false) ?? ""];
  if (without !== "" && whole.length > without.length && whole.startsWith(without)) return whole.slice(without.length);
  // A template that always adds it, or that ends the last turn otherwise without it.
  const last = messages.at(-1);
  const content = "Why?";
  const text = (last && render([...messages.slice(0, -1), { ...last, content }], true)) ?? whole;
  const at = text.lastIndexOf(content);
  return at < 0 ? text : text.slice(at + content.length);
}

/** Begins a turn in text that no template made, after which the model goes on. */
const TURN =
  /^[ \t]*(?:a|answer|assistant|ai|bot|response|reply|solution)\*{0,2}[ \t]*:|<\|[^|<>\n]{1,40}\|>|\[\/INST\]/gim;
/** Begins one that is not the model's: what stands on its line is text, not a tag. */
const ASKED = /^[ \t]*(?:q|question|problem|exercise|user|human|instruction|system)\*{0,2}[ \t]*:[^\n]*\S[^\n]*/gim;

/**
 * Text written by hand, from where the last reply begins: as the template would begin it, else after "A:", "Answer:" or
 * a special token; all of it where none stands there, but the lines of questions that do not end in the tag.
 */
function lastTurn(session: Pick<Session, "chat">, text: string, { open }: Thinking): string {
  const opening = orElse("", () => replyOpening(session.chat)) // a model may have no template
    .split(open)[0]
    .trim();
  const at = opening === "" ? -1 : text.lastIndexOf(opening);
  if (at >= 0) return text.slice(at + opening.length);
  const turn = [...text.matchAll(TURN)].at(-1);
  const rest = text.slice(turn ? turn.index + turn[0].length : 0);
  return rest.trimEnd().endsWith(open) ? rest : rest.replace(ASKED, "");
}

function orElse<T>(fallback: T, value: () => T): T {
  try {
    return value();
  } catch {
    return fallback;
  }
}
