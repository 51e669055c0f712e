import { HyperthinkError } from "../base/errors.ts";
import type { ChatMessage, ChatTemplate } from "./chat.ts";
import { anySpelling, type ControlTokens, unusedCharacter } from "./tokenizer/control.ts";

/** Messages that the model itself wrote: their control tokens (thinking, tool calls) are what they look like. */
const isOwn = (message: ChatMessage): boolean => message.role === "assistant";
/** Variables of a template that hold what others wrote. */
const FOREIGN = ["tools", "documents"];

/**
 * The prompt of a conversation, and where in it the spelling of a control token came out of a message that is not the assistant's
 * (or out of tools or documents): there it is text. A mark inside each such spelling goes through the template with it, and keeps
 * the template from taking it for its own. Without such spellings the prompt is the template's, untouched.
 */
export function renderLiteral(
  chat: Pick<ChatTemplate, "render">,
  messages: readonly ChatMessage[],
  variables: Variables,
  control: ControlTokens,
): { text: string; literal: number[] } {
  let spelled = false;
  mapForeign(messages, variables, (texts) => {
    spelled ||= control.starts(texts.join("")).length > 0;
    return texts;
  });
  if (!spelled) return { text: chat.render(messages, variables), literal: [] };
  const marker = unusedCharacter(JSON.stringify([messages, variables]));
  if (marker === null)
    throw new HyperthinkError(
      "bad-argument",
      "the messages hold all of U+FDD0 to U+FDEF, which no text needs: expected one of them to be free",
    );
  const marked = mapForeign(messages, variables, (texts) => markSpellings(texts, control, marker));
  const pieces = chat.render(...marked).split(anySpelling(marker));
  const literal: number[] = [];
  let length = 0;
  for (const piece of pieces.slice(0, -1)) {
    length += piece.length;
    literal.push(length - (isLowSurrogate(piece.charCodeAt(piece.length - 1)) ? 2 : 1));
  }
  return { text: pieces.join(""), literal };
}

type Variables = Parameters<ChatTemplate["render"]>[1];
type MapTexts = (texts: readonly string[]) => readonly string[];

/** Messages and variables with the strings of others mapped. */
function mapForeign(messages: readonly ChatMessage[], variables: Variables, map: MapTexts): [ChatMessage[], Variables] {
  const mapped = FOREIGN.filter((name) => name in variables).map((name) => [name, mapStrings(variables[name], map)]);
  return [
    messages.map((message) => (isOwn(message) ? message : (mapStrings(message, map) as ChatMessage))),
    { ...variables, ...Object.fromEntries(mapped) },
  ];
}

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/** Texts that a template may join, with `marker` after the first character of each control token that they spell, alone or together. */
function markSpellings(texts: readonly string[], control: ControlTokens, marker: string): string[] {
  const joined = texts.join("");
  const places = control.starts(joined).map((start) => start + String.fromCodePoint(joined.codePointAt(start)!).length);
  let offset = 0;
  let next = 0;
  return texts.map((text) => {
    const parts: string[] = [];
    let done = 0;
    for (; next < places.length && places[next] <= offset + text.length; next++) {
      parts.push(text.slice(done, places[next] - offset), marker);
      done = places[next] - offset;
    }
    offset += text.length;
    parts.push(text.slice(done));
    return parts.join("");
  });
}

const DEEPEST = 64;

/** A copy of a JSON-like value, its strings mapped: those under one name together, in order, since a template may join them. */
function mapStrings(root: unknown, map: MapTexts): unknown {
  const byName = new Map<string, string[]>();
  walk(root, (text, name) => {
    const texts = byName.get(name);
    if (texts) texts.push(text);
    else byName.set(name, [text]);
    return text;
  });
  const mapped = new Map([...byName].map(([name, texts]) => [name, map(texts).values()]));
  return walk(root, (_, name) => mapped.get(name)!.next().value!);
}

/** A copy with each string replaced. An item of a list has the list's name. */
function walk(value: unknown, replace: (text: string, name: string) => string, name = "", depth = 0): unknown {
  if (typeof value === "string") return replace(value, name);
  if (typeof value !== "object" || value === null || depth >= DEEPEST) return value;
  if (Array.isArray(value)) return value.map((item) => walk(item, replace, name, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, replace, key, depth + 1)]));
}
