import { decodeUtf8 } from "../../base/utf8.ts";
import { visible } from "../../base/visible.ts";
import { brief } from "../../model/brief.ts";
import type { ChatMessage } from "../../model/chat.ts";
import { type DataFile, readLines } from "./files.ts";

/** What one document of a file says. Untrusted. */
export type Content =
  | { kind: "text"; text: string }
  | { kind: "completion"; prompt: string; completion: string }
  | { kind: "chat"; messages: ChatMessage[]; tools: unknown[] | null }
  | { kind: "fault"; why: string }; // what was expected, what came

export interface Found {
  path: string;
  line: number; // where the document begins, from 1
  read: number; // bytes of the file up to its end
  content: Content;
}

/** Bytes of one document: tokenising takes many times as much. */
const MOST_DOCUMENT = 64 << 20;
const TOO_LONG = `expected at most ${MOST_DOCUMENT >> 20} MiB`;
/** A line that ends a document of a text. */
const END = "<|endoftext|>";

/**
 * Documents of a file in their order: of a text what stands between lines `<|endoftext|>`, blank ones left out; of a
 * .jsonl file a line each.
 */
export const documentsOf = (file: DataFile): AsyncGenerator<Found> =>
  file.form === "text" ? textDocuments(file) : lineDocuments(file);

async function* textDocuments({ path }: DataFile): AsyncGenerator<Found> {
  let lines: string[] = [];
  let [first, read, start] = [1, 0, 0];
  let fault = "";
  const found = (): Found => {
    const text = lines.join("\n");
    return { path, line: first, read, content: fault ? { kind: "fault", why: fault } : { kind: "text", text } };
  };
  const isBlank = () => !fault && lines.every((line) => line.trim() === "");
  for await (const { number, bytes } of readLines(path, MOST_DOCUMENT)) {
    const text = bytes && decoded(bytes, number);
    read += (bytes?.length ?? MOST_DOCUMENT) + 1;
    if (text?.trim() === END) {
      if (!isBlank()) yield found();
      [lines, first, start, fault] = [[], number + 1, read, ""];
      continue;
    }
    if (read - start > MOST_DOCUMENT) fault = `${TOO_LONG} a document; put a line ${END} between documents`;
    else if (text === null) fault ||= `expected UTF-8 text, line ${number} has other bytes`;
    if (fault) lines = [];
    else lines.push(text!);
  }
  if (!isBlank()) yield found();
}

async function* lineDocuments({ path }: DataFile): AsyncGenerator<Found> {
  let read = 0;
  for await (const { number, bytes } of readLines(path, MOST_DOCUMENT)) {
    read += (bytes?.length ?? MOST_DOCUMENT) + 1;
    const fault = (why: string): Found => ({ path, line: number, read, content: { kind: "fault", why } });
    const text = bytes && decoded(bytes, number);
    if (!bytes) yield fault(`${TOO_LONG} a line`);
    else if (text === null) yield fault("expected UTF-8 text, got other bytes");
    else if (text.trim() !== "") yield { path, line: number, read, content: parse(text) };
  }
}

/** Null where it is no UTF-8. A file may begin with a byte order mark. */
function decoded(bytes: Uint8Array, number: number): string | null {
  const text = decodeUtf8(bytes);
  if (typeof text === "number") return null;
  return number === 1 ? text.replace(/^\ufeff/, "") : text;
}

function parse(line: string): Content {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return { kind: "fault", why: `expected JSON: ${visible((error as Error).message).slice(0, 120)}` };
  }
  return contentOf(value);
}

const FORMS = '{"text"}, {"messages"} or {"prompt", "completion"}';

/** Of several forms that a line has, messages count first, then prompt and completion. */
function contentOf(value: unknown): Content {
  const fault = (why: string): Content => ({ kind: "fault", why });
  if (!isObject(value)) return fault(`expected an object ${FORMS}, got ${brief(value)}`);
  const { text, messages, prompt, completion, tools } = value;
  if (messages !== undefined) {
    if (!Array.isArray(messages) || messages.length === 0)
      return fault(`expected "messages" to be a list with at least one, got ${brief(messages)}`);
    const wrong = messages.findIndex((message) => !isMessage(message));
    if (wrong >= 0)
      return fault(`expected {"role", "content"}, both texts, got ${brief(messages[wrong])} as message ${wrong + 1}`);
    if (tools !== undefined && tools !== null && !Array.isArray(tools))
      return fault(`expected "tools" to be a list, got ${brief(tools)}`);
    return { kind: "chat", messages, tools: (tools as unknown[] | null | undefined) ?? null };
  }
  if (completion !== undefined) {
    if (typeof prompt !== "string" || typeof completion !== "string" || completion.trim() === "")
      return fault(
        `expected "prompt" and "completion" to be texts, got ${brief(prompt)} and ${completion === "" ? "an empty one" : brief(completion)}`,
      );
    return { kind: "completion", prompt, completion };
  }
  if (text === undefined) return fault(`expected ${FORMS}, got an object with ${names(value)}`);
  if (typeof text !== "string" || text.trim() === "")
    return fault(`expected "text" to be a text that is not blank, got ${brief(text)}`);
  return { kind: "text", text };
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isMessage = (value: unknown): value is ChatMessage =>
  isObject(value) && typeof value.role === "string" && typeof value.content === "string";

const names = (value: object): string => brief(Object.keys(value)).replace(/^\[\]$/, "nothing in it");
