// The answer of one chain, out of its whole text.

import { afterThinking, type Thinking } from "../request/thinking.ts";
import { lastBoxes } from "./box.ts";
import { loneOption, optionWithText } from "./choice.ts";
import { answerKey, bareNumber } from "./key.ts";
import { lastNumber } from "./running.ts";
import { CORRECTS, finalAnswer, withoutNextTurns } from "./said.ts";
import { unmarked } from "./spelling.ts";

export type Extraction =
  | {
      kind: "answer";
      text: string; // as the chain wrote it, less emphasis
      source: "boxed" | "final-answer" | "last-number" | "choice";
      key: string; // equal answers share it: see `answerKey`
    }
  | {
      kind: "abstain";
      /** stopped: ended from outside, for instance by a decided vote. */
      reason: "cut-off-thinking" | "no-answer" | "stopped";
    };

/** Characters searched, from the end: an answer stands last, and a hostile text costs no more than this. */
const SEARCHED = 65_536;

const NONE: Extraction = { kind: "abstain", reason: "no-answer" };

/**
 * The answer: the last balanced, non-empty `\boxed{}` (or `\fbox{}`) after the thinking, or all those that one sentence
 * lists; failing that, in a chain that ended by itself, "the final answer is X", then the choice with its text on the
 * last line, then the last number where it is the whole value, then a lone choice letter, A to J. A later "Answer: X"
 * stands against a box. Questions invented after the answer are not read.
 *
 * A chain cut off by its token limit (`finished` false) gets no fall-back: the number that it was writing
 * may lack digits; and no box either where it was correcting that. `thinking`: the tags, null for a model
 * that has none. `opened`: the prompt ended inside the thinking, so that no tag opens it in `text`
 * (default: yes, which at worst abstains).
 *
 * What stands within the thinking is never an answer, and a chain whose thinking did not end abstains, box or no box.
 */
export function extractAnswer(
  text: string,
  { thinking, opened = true, finished }: { thinking: Thinking | null; opened?: boolean; finished: boolean },
): Extraction {
  const spoken = thinking ? afterThinking(text, thinking, opened) : text;
  if (spoken === null) return { kind: "abstain", reason: "cut-off-thinking" };
  const { text: marked, cut } = withoutNextTurns(spoken.slice(-SEARCHED));
  const reply = unmarked(marked);
  const ended = finished || cut;
  const boxes = lastBoxes(reply);
  const rest = reply.slice(boxes.end);
  if (!ended && (boxes.open || CORRECTS.test(rest))) return NONE;
  if (boxes.parts.length > 0) {
    const later = ended ? finalAnswer(rest) : null;
    if (boxes.text === null && !later) return NONE;
    const boxed = boxes.text === null ? NONE : answer(boxes.text, "boxed", keyOf(boxes.parts));
    if (boxed.kind === "answer" && ended && takenBack(boxed.key, rest)) return NONE;
    if (!later?.firm || boxed.kind === "abstain") return boxed;
    const same = later.key === boxed.key || lastNumber(later.text)?.key === boxed.key; // 5, and "Answer: 5 apples"
    return same ? boxed : answer(later.text, later.source, later.key);
  }
  if (!ended) return NONE;
  const said = finalAnswer(reply);
  if (said) return takenBack(said.key, reply.slice(said.end)) ? NONE : answer(said.text, said.source, said.key);
  const option = optionWithText(marked, reply);
  if (option !== undefined) return option === null ? NONE : answer(option, "choice", option);
  const number = lastNumber(reply);
  if (number) return answer(number.text, "last-number", number.key);
  const formula = LONE_FORMULA.exec(reply)?.[0];
  if (formula && answerKey(formula)) return answer(formula, "final-answer", answerKey(formula));
  const letter = loneOption(reply);
  return letter ? answer(letter, "choice", letter) : NONE;
}

const answer = (text: string, source: (Extraction & { kind: "answer" })["source"], key: string): Extraction =>
  key === "" ? NONE : { kind: "answer", text: text.trim(), source, key };

/** Whether what follows an answer says that it was wrong, and ends in another number or letter. */
function takenBack(key: string, rest: string): boolean {
  if (!CORRECTS.test(rest)) return false;
  const value = bareNumber(key);
  const later = value !== null ? lastNumber(rest)?.key : /^[A-J]$/.test(key) ? loneOption(rest) : null;
  return later != null && later !== (value ?? key);
}

/** One box's key, or the list of several; the same answer boxed twice is one. */
function keyOf(parts: readonly string[]): string {
  const keys = parts.map(answerKey);
  if (keys.includes("")) return "";
  return new Set(keys).size === 1 ? keys[0] : keys.join(",");
}

/** A reply that is one formula and nothing else. */
const LONE_FORMULA = /^\s*(?:\$[^$\n]{1,400}\$|\$\$[^$]{1,400}\$\$|\\\([^\n]{1,400}\\\)|\\\[[\s\S]{1,400}\\\])[\s.]*$/;
