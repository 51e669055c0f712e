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
/** Variables that transformers always passes. */
const NOTHING = { tools: null, documents: null };
/** The library's own strftime_now names months in the machine's language; it cannot be replaced, only shadowed. */
const DATE = "{% set strftime_now = english_date %}";

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
    template = new Template(text.includes("strftime_now") ? DATE + text : text);
  } catch (error) {
    throw new HyperthinkError("bad-file", `${path}: the chat template cannot be read: ${(error as Error).message}`);
  }
  return {
    render(messages, { addGenerationPrompt, ...variables }) {
      try {
        return template.render({
          english_date: (format: string) => strftime(new Date(), format),
          ...NOTHING,
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

/** What ends a user's turn and opens the model's. Empty where the template does not show it. */
export function replyOpening(chat: ChatTemplate): string {
  const question = "Why?";
  const text = chat.render([{ role: "user", content: question }], { addGenerationPrompt: true });
  const at = text.lastIndexOf(question);
  return at < 0 ? "" : text.slice(at + question.length);
}

const MONTHS = "January February March April May June July August September October November December".split(" ");

/** The date formats that templates use. In English whatever the machine's locale: models were trained so. */
export function strftime(date: Date, format: string): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const month = MONTHS[date.getMonth()];
  const fields: Record<string, string> = {
    "%Y": String(date.getFullYear()),
    "%m": two(date.getMonth() + 1),
    "%d": two(date.getDate()),
    "%B": month,
    "%b": month.slice(0, 3),
    "%H": two(date.getHours()),
    "%M": two(date.getMinutes()),
    "%S": two(date.getSeconds()),
    "%%": "%",
  };
  return format.replace(/%./g, (field) => fields[field] ?? field);
}
