import { Template } from "@huggingface/jinja";
import { HyperthinkError } from "../base/errors.ts";
import type { Source } from "./source.ts";

export interface ChatMessage {
  role: string;
  content: string;
}

export interface ChatTemplate {
  /** The prompt text of a conversation. Throws `bad-argument` with the template's own words where it refuses one. */
  render(
    messages: readonly ChatMessage[],
    variables: { addGenerationPrompt: boolean } & Record<string, unknown>,
  ): string;
}

const MOST_TEMPLATE = 1 << 20;

/** From chat_template.jinja, else from tokenizer_config.json (one template, or a list with one named "default"). */
export async function loadChat(source: Source): Promise<ChatTemplate> {
  const config = ((await source.json("tokenizer_config.json")) ?? {}) as Record<string, unknown>;
  const text = (await source.text("chat_template.jinja")) ?? fromConfig(config.chat_template);
  if (text === null)
    throw new HyperthinkError(
      "bad-file",
      `${source.path}: no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); prompt it with raw text (--raw)`,
    );
  return compileTemplate(text, specialTokens(config), source.path);
}

function fromConfig(value: unknown): string | null {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) return null;
  const named = value.filter((entry) => typeof entry?.template === "string");
  return (named.find((entry) => entry.name === "default") ?? named[0])?.template ?? null;
}

/** bos_token and the like: strings, or objects with `content`. */
function specialTokens(config: Record<string, unknown>): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const key of ["bos_token", "eos_token", "pad_token", "unk_token"]) {
    const value = config[key];
    const text = typeof value === "object" && value !== null ? (value as { content?: unknown }).content : value;
    if (typeof text === "string") tokens[key] = text;
  }
  return tokens;
}

export function compileTemplate(text: string, special: Record<string, string>, path: string): ChatTemplate {
  if (text.length > MOST_TEMPLATE)
    throw new HyperthinkError(
      "bad-file",
      `${path}: the chat template has ${text.length} characters; expected at most ${MOST_TEMPLATE}`,
    );
  let template: Template;
  try {
    template = new Template(text);
  } catch (error) {
    throw new HyperthinkError("bad-file", `${path}: the chat template cannot be read: ${(error as Error).message}`);
  }
  return {
    render(messages, { addGenerationPrompt, ...variables }) {
      try {
        return template.render({
          ...special,
          ...variables,
          messages: messages.map((message) => ({ ...message })),
          add_generation_prompt: addGenerationPrompt,
        });
      } catch (error) {
        throw new HyperthinkError(
          "bad-argument",
          `the chat template refuses this conversation: ${(error as Error).message}`,
        );
      }
    },
  };
}
