import { badArgument, badFile } from "../base/errors.ts";
import type { Source } from "./source.ts";
import { type SpecialTokens, specialTokens } from "./special.ts";
import { Template, TemplateLimit } from "./template/template.ts";

export interface ChatMessage {
  role: string;
  content: string;
}

export interface ChatTemplate {
  /**
   * The prompt text of a conversation. Throws `bad-argument` with the template's own words where it refuses one, and
   * `bad-file` where it does not end in time or grows too large.
   */
  render(
    messages: readonly ChatMessage[],
    variables: { addGenerationPrompt: boolean } & Record<string, unknown>,
  ): string;
  /** What a user should know about it: one sentence each. */
  readonly notes: readonly string[];
}

const MOST_TEMPLATE = 1 << 20;
/** Templates of one model. */
const MOST_NAMED = 64;
/** Variables that transformers always passes. */
const NOTHING = { tools: null, documents: null };

/**
 * From chat_template.jinja, else from tokenizer_config.json, else from chat_template.json. Of several by name,
 * "tool_use" serves conversations with tools, "default" all else.
 */
export async function loadChat(source: Source): Promise<ChatTemplate> {
  const config = ((await source.json("tokenizer_config.json")) ?? {}) as Record<string, unknown>;
  const texts = (await fromFiles(source)) ?? fromValue(config.chat_template) ?? (await fromProcessor(source));
  if (texts === null)
    throw badFile(
      `${source.path}: no chat template (chat_template.jinja, or chat_template in tokenizer_config.json); prompt it with raw text (--raw)`,
    );
  const plain = texts.get("default");
  if (plain === undefined)
    throw badFile(
      `${source.path}: expected a chat template named "default", found ${[...texts.keys()].map((name) => JSON.stringify(name)).join(", ") || "none with a name"}; save the one to use as chat_template.jinja`,
    );
  const special = await specialTokens(source, config);
  const chat = compileTemplate(plain, special, source.path);
  const tools = texts.get("tool_use");
  if (tools === undefined) return chat;
  const withTools = compileTemplate(tools, special, source.path);
  return {
    notes: [...new Set([...chat.notes, ...withTools.notes])],
    render: (messages, variables) =>
      ((variables.tools ?? null) === null ? chat : withTools).render(messages, variables),
  };
}

async function fromFiles(source: Source): Promise<Map<string, string> | null> {
  const plain = await source.text("chat_template.jinja");
  if (plain === null) return null;
  const tools = await source.text("additional_chat_templates/tool_use.jinja");
  const texts = new Map([["default", plain.replace(/^\ufeff/, "")]]);
  return tools === null ? texts : texts.set("tool_use", tools.replace(/^\ufeff/, ""));
}

/** The file that processors of images and sound save. */
async function fromProcessor(source: Source): Promise<Map<string, string> | null> {
  const file = (await source.json("chat_template.json")) as { chat_template?: unknown } | null;
  return fromValue(file?.chat_template);
}

/** A template, or a list of them with names. */
function fromValue(value: unknown): Map<string, string> | null {
  if (typeof value === "string") return new Map([["default", value]]);
  if (!Array.isArray(value)) return null;
  const texts = new Map<string, string>();
  for (const entry of value.slice(0, MOST_NAMED))
    if (typeof entry?.name === "string" && typeof entry.template === "string") texts.set(entry.name, entry.template);
  return texts;
}

/** `now` is what the template's strftime_now formats. */
export function compileTemplate(
  text: string,
  special: SpecialTokens,
  path: string,
  now: () => Date = () => new Date(),
): ChatTemplate {
  if (text.length > MOST_TEMPLATE)
    throw badFile(`${path}: the chat template has ${text.length} characters; expected at most ${MOST_TEMPLATE}`);
  let template: Template;
  try {
    template = new Template(text);
  } catch (error) {
    throw badFile(`${path}: the chat template cannot be read: ${(error as Error).message}`);
  }
  const known = Object.fromEntries(Object.entries(special).filter(([, token]) => token !== null));
  return {
    notes: NAMED_TOKENS.filter((name) => !Object.hasOwn(special, name) && template.uses(name)).map(
      (name) =>
        `the chat template writes ${name}, which neither tokenizer_config.json nor special_tokens_map.json gives: nothing stands in its place`,
    ),
    render(messages, { addGenerationPrompt, ...variables }) {
      try {
        return template.render(
          { ...NOTHING, ...known, ...variables, messages, add_generation_prompt: addGenerationPrompt },
          now(),
        );
      } catch (error) {
        if (error instanceof TemplateLimit) throw badFile(`${path}: the chat template was stopped: ${error.message}`);
        throw badArgument(`the chat template refuses this conversation: ${(error as Error).message}`);
      }
    },
  };
}

const NAMED_TOKENS = ["bos_token", "eos_token"];

/** What ends a user's turn and opens the model's. Empty where the template does not show it. */
export function replyOpening(chat: ChatTemplate): string {
  const question = "Why?";
  const text = chat.render([{ role: "user", content: question }], { addGenerationPrompt: true });
  const at = text.lastIndexOf(question);
  return at < 0 ? "" : text.slice(at + question.length);
}
