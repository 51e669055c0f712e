// Replies that list words or numbers, graded by how many of the right ones they have.

import { afterThinking } from "../../../request/thinking.ts";
import type { Answered, Asked, Item, Reply, Style, VoteWork } from "../task.ts";

/** A problem whose answer is some words of its text. */
export interface ListItem extends Item {
  words: readonly string[]; // right ones
  /** The words that may be meant, in small letters; null: any that the pattern finds. */
  among: ReadonlySet<string> | null;
  pattern: RegExp; // of one word, global
  prefix: string; // begins the reply of a base model
  maxTokens: number;
}

/** Patterns of whole words: 12345678 does not hold the number 1234567. */
export const NUMBER = /(?<!\d)\d{7}(?!\d)/g;
export const UUID = /(?<![0-9a-f-])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-f-])/g;
export const VARIABLE = /(?<![A-Za-z])[A-Z]{5}(?![A-Za-z])/g;
export const WORD = /(?<![a-z-])[a-z]+(?:-[a-z]+)*(?![a-z-])/gi;

/**
 * How RULER asks and grades: base models continue the answer's first words, chat models are asked without them and may
 * write 256 tokens. The score is the share of right words that the reply has anywhere, however many wrong ones stand
 * beside them; a truncated list counts. What votes is the set of words that were named.
 */
export const listWork = (items: VoteWork<ListItem>["items"]): VoteWork<ListItem> => ({
  kind: "vote",
  items,
  ask: askForList,
  extract: extractList,
  grade: async ({ words }, { key }) => {
    const named = new Set(key.split(" "));
    return words.filter((word) => named.has(word)).length / words.length;
  },
});

export const CHAT_TOKENS = 256;

/** New tokens that a problem of a style leaves room for. */
export const newTokens = (style: Style | undefined, tokens: number): number =>
  style === "text" ? tokens : CHAT_TOKENS;

export const askForList = ({ question, prefix, maxTokens }: ListItem, style: Style): Asked => ({
  prompt: style === "chat" ? question : { raw: question + prefix },
  maxTokens,
});

function extractList({ among, pattern }: ListItem, { text, thinking, opened }: Reply): Answered {
  const reply = thinking === null ? text : afterThinking(text, thinking, opened);
  if (reply === null) return { kind: "abstain", reason: "cut-off-thinking" };
  const plain = reply.slice(-65_536).replace(/(?<=\d),(?=\d{3}(?!\d))/g, ""); // 1,234,567
  const words = plain.match(pattern)?.map((word) => (among === null ? word : word.toLowerCase())) ?? [];
  const found = [...new Set(words)].filter((word) => among === null || among.has(word)).sort();
  const key = found.join(" ");
  return found.length > 0 ? { kind: "answer", text: found.join(", "), key } : { kind: "abstain", reason: "no-answer" };
}
