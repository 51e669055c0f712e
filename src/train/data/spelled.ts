// Documents as texts, with where what is to be learned begins and ends in them.
import { badArgument } from "../../base/errors.ts";
import type { ChatMessage, ChatTemplate } from "../../model/chat.ts";
import { renderLiteral } from "../../model/literal.ts";
import type { ControlTokens } from "../../model/tokenizer/control.ts";
import type { Encoding, Tokenizer } from "../../model/tokenizer.ts";
import type { Content } from "./documents.ts";

export type Text = Encoding & { text: string };

/** What of a document goes to the tokenizer. */
export interface Spelled {
  whole: Text;
  /**
   * What is to be predicted: from where the tokens of the whole and of its beginning `before` part, to where those of
   * `through` do (null: to the end). Null: all of it.
   */
  spans: { before: Text; through: Text | null }[] | null;
}

/** What reads a model's texts. The chat template is looked at for chats alone. */
export interface Reader {
  readonly tokenizer: Tokenizer;
  readonly chat: ChatTemplate;
}

export interface SpellOptions {
  /** What is learned: "all" tokens (default), or what the "assistant" says: its turns in chats, and completions. */
  learn?: "all" | "assistant";
  /** Extra variables of the chat template. */
  template?: Record<string, unknown>;
  /** As for prompts: what a control token's spelling is in messages that are not the assistant's. Default "text". */
  controlTokens?: "text" | "parse";
}

/** Throws `bad-argument` where the template refuses a chat, or nothing in it is to be learned. */
export function spell(content: Exclude<Content, { kind: "fault" }>, reader: Reader, options: SpellOptions): Spelled {
  const marked = options.learn === "assistant";
  if (content.kind === "chat") return spellChat(content, reader, options);
  if (content.kind === "completion") {
    const whole = { text: content.prompt + content.completion, special: true };
    return { whole, spans: marked ? [{ before: { text: content.prompt, special: true }, through: null }] : null };
  }
  if (marked)
    throw badArgument(
      'expected {"messages"} or {"prompt", "completion"} to learn what the assistant says, got plain text',
    );
  return { whole: { text: content.text, special: true }, spans: null };
}

function spellChat(
  { messages, tools }: Extract<Content, { kind: "chat" }>,
  { tokenizer, chat }: Reader,
  { learn, template, controlTokens }: SpellOptions,
): Spelled {
  const render = (count: number, addGenerationPrompt: boolean): Text => {
    const variables = { ...(tools && { tools }), ...template, addGenerationPrompt };
    const shown = messages.slice(0, count);
    return controlTokens === "parse"
      ? { text: chat.render(shown, variables), special: false }
      : { ...renderLiteral(chat, shown, variables, tokenizer.control), special: false };
  };
  const whole = render(messages.length, false);
  if (learn !== "assistant") return { whole, spans: null };
  const turns = [...messages.keys()].filter((i) => messages[i].role === "assistant");
  if (turns.length === 0) throw badArgument("expected a turn of the assistant to learn, got none");
  const spans = turns.map((i) => {
    const through = i === messages.length - 1 ? whole : render(i + 1, false);
    const before = i === 0 ? NOTHING : opening(render, i, through, tokenizer.control);
    if (!before || !begins(whole, through)) throw unstable(messages, i);
    return { before, through: spoken(through, tokenizer.control) };
  });
  return { whole, spans };
}

/**
 * What stands before a turn and asks for it. A template may ask with more than it writes later, such as an opened
 * thought: then up to one of the control tokens in it, or without any of it. Null: none of these begins the turn.
 */
function opening(
  render: (count: number, addGenerationPrompt: boolean) => Text,
  turn: number,
  through: Text,
  control: ControlTokens,
): Text | null {
  const asked = render(turn, true);
  if (begins(through, asked)) return asked;
  const before = render(turn, false);
  const { length } = before.text;
  for (const start of control.starts(asked.text.slice(length)).reverse()) {
    const part = { ...asked, text: asked.text.slice(0, length + start) };
    if (begins(through, part)) return part;
  }
  return begins(through, before) ? before : null;
}

const NOTHING: Text = { text: "", special: false };
const begins = (whole: Text, part: Text): boolean => whole.text.startsWith(part.text);

const unstable = (messages: readonly ChatMessage[], turn: number) =>
  badArgument(
    `the chat template writes the beginning of this chat, up to message ${turn + 1} of ${messages.length}, otherwise than within the whole, ` +
      'so what the assistant says cannot be told: expected one turn of the assistant a chat, or learn "all"',
  );

/** A model stops at the control token that ends its turn: the blanks that a template puts after it are not its own. */
function spoken(through: Text, control: ControlTokens): Text {
  const text = through.text.trimEnd();
  for (let i = Math.max(0, text.length - LONGEST); i < text.length; i++)
    if (i + control.at(text, i) === text.length) return { ...through, text };
  return through;
}

/** Characters of a control token. */
const LONGEST = 256;
