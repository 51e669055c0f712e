import { badArgument, HyperthinkError } from "../base/errors.ts";
import type { ChatMessage, ChatTemplate } from "./chat.ts";
import { Float } from "./template/template.ts";
import { anySpelling, type ControlTokens, unusedCharacter } from "./tokenizer/control.ts";

/** Messages that the model itself wrote: their control tokens (thinking, tool calls) are what they look like. */
const isOwn = (message: ChatMessage): boolean => message.role === "assistant";
/** Variables of a template that hold what others wrote. */
const FOREIGN = ["tools", "documents"];

/**
 * The prompt of a conversation, and where in it the spelling of a control token is text: where its first or its last
 * character came out of a message that is not the assistant's, or out of tools or documents. Marks beside these
 * characters go through the template with them. The first rendering has marks only in spellings that others wrote
 * whole; they also keep the template from taking these for its own. The second has one at every character that could
 * begin or end a spelling, and so shows those that came together in the template. It counts only where it reads the
 * same: a template may count characters, or look for such.
 */
export function renderLiteral(
  chat: Pick<ChatTemplate, "render">,
  messages: readonly ChatMessage[],
  variables: Variables,
  control: ControlTokens,
): { text: string; literal: number[] } {
  let hasEdges = false;
  mapForeign(messages, variables, (text) => {
    hasEdges ||= control.edges(text).length > 0;
    return text;
  });
  if (!hasEdges) return { text: chat.render(messages, variables), literal: [] };
  const marker = markerFor([...messages, ...Object.values(variables)]);
  const render = (places: (text: string) => number[]) => {
    const marked = mapForeign(messages, variables, (text) => insert(text, places(text), marker));
    return withoutMarks(chat.render(...marked), marker);
  };
  const spelled = render((text) =>
    control.starts(text).map((at) => at + String.fromCodePoint(text.codePointAt(at)!).length),
  );
  const edged = unlessRefused(() => render((text) => control.edges(text)));
  const { text, marks } = edged?.text === spelled.text ? edged : spelled;
  return { text, literal: markedSpellings(text, marks, control) };
}

type Variables = Parameters<ChatTemplate["render"]>[1];
type MapText = (text: string) => string;

/** Messages and variables with the strings of others mapped. */
function mapForeign(messages: readonly ChatMessage[], variables: Variables, map: MapText): [ChatMessage[], Variables] {
  const mapped = FOREIGN.filter((name) => name in variables).map((name) => [name, mapStrings(variables[name], map)]);
  return [
    messages.map((message) => (isOwn(message) ? message : (mapStrings(message, map) as ChatMessage))),
    { ...variables, ...Object.fromEntries(mapped) },
  ];
}

/** Deeper than any tool's schema; a value that holds itself ends here, too. */
const DEEPEST = 200;

/**
 * A copy of a JSON-like value, its strings and names mapped, save names that a template may look up. Throws
 * `bad-argument` for one that nests too deep.
 */
function mapStrings(value: unknown, map: MapText, depth = 0): unknown {
  if (typeof value === "string") return map(value);
  if (typeof value !== "object" || value === null || value instanceof Float) return value;
  if (depth > DEEPEST)
    throw badArgument(
      `a message or a variable of the template nests more than ${DEEPEST} deep: expected fewer levels of lists and objects`,
    );
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map, depth + 1));
  const entries = Object.entries(value);
  if (entries.length === 0) return value; // what is no JSON, such as a Date, is refused by the template
  return Object.fromEntries(
    entries.map(([name, item]) => [/^\w+$/.test(name) ? name : map(name), mapStrings(item, map, depth + 1)]),
  );
}

/** A character that no string in `values` holds. */
function markerFor(values: readonly unknown[]): string {
  const texts: string[] = [];
  for (const value of values)
    mapStrings(value, (text) => {
      texts.push(text);
      return text;
    });
  const marker = unusedCharacter(texts.join("\n"));
  if (marker === null)
    throw badArgument(
      "the messages hold all of U+FDD0 to U+FDEF, which no text needs: expected one of them to be free",
    );
  return marker;
}

function insert(text: string, places: readonly number[], marker: string): string {
  const parts = places.map((place, i) => text.slice(places[i - 1] ?? 0, place));
  return [...parts, text.slice(places.at(-1) ?? 0)].join(marker);
}

interface Unmarked {
  text: string;
  /** Offsets, ascending, where marks were. */
  marks: number[];
}

function withoutMarks(rendered: string, marker: string): Unmarked {
  const pieces = rendered.split(anySpelling(marker));
  let length = 0;
  const marks = pieces.slice(0, -1).map((piece) => (length += piece.length));
  return { text: pieces.join(""), marks };
}

/** Null where the template refuses the marks or they exceed its bounds: the conversation itself was rendered. */
function unlessRefused(render: () => Unmarked): Unmarked | null {
  try {
    return render();
  } catch (error) {
    if (error instanceof HyperthinkError) return null;
    throw error;
  }
}

/** Where control tokens are spelled with a mark inside. */
function markedSpellings(text: string, marks: readonly number[], control: ControlTokens): number[] {
  let next = 0;
  return control.starts(text).filter((start) => {
    while (marks[next] <= start) next++;
    return marks[next] < start + control.at(text, start);
  });
}
