// Questions with lettered options, asked for a reply.

import { answerKey } from "../../scale/key.ts";
import { type Answered, extractReply, type Item, type Reply } from "./task.ts";

export const LETTERS = "ABCDEFGHIJ";

/** An item whose gold is the letter of one of its options. */
export interface OptionItem extends Item {
  options: readonly string[];
}

/** simple-evals' prompt (OpenAI): think, then a last line "Answer: C". */
export const askForLetter = ({ question, options }: OptionItem): string =>
  `Answer the following multiple choice question. The last line of your response should be of the following format: 'Answer: $LETTER' (without quotes) where LETTER is one of ${LETTERS.slice(0, options.length)}. Think step by step before answering.\n\n` +
  `${question}\n\n${options.map((option, i) => `${LETTERS[i]}) ${option}`).join("\n")}`;

/** The letter that a reply names, or whose option alone it says; any other answer stays what it is, and is wrong. */
export function extractLetter(item: OptionItem, reply: Reply): Answered {
  const found = extractReply(item, reply);
  if (found.kind === "abstain" || isLetter(found.key, item)) return found;
  const same = item.options.flatMap((option, i) => (answerKey(option) === found.key ? [LETTERS[i]] : []));
  return same.length === 1 ? { ...found, key: same[0] } : found;
}

/** The letter that a continued text begins with: " C", "(C)", "C."; what does not begin so is an abstention. */
export function firstLetter(item: OptionItem, { text }: Reply): Answered {
  const letter = /^\s*\(?([A-J])(?![\p{L}\p{N}'])/u.exec(text)?.[1];
  return letter && isLetter(letter, item)
    ? { kind: "answer", text: letter, key: letter }
    : { kind: "abstain", reason: "no-answer" };
}

/** 1 for the letter of the gold. No grader is asked: letters are equal or not. */
export const gradeLetter = async ({ gold }: Item, { key }: Answered & { kind: "answer" }): Promise<number> =>
  Number(key === gold);

const isLetter = (key: string, { options }: OptionItem): boolean =>
  key.length === 1 && LETTERS.slice(0, options.length).includes(key);
