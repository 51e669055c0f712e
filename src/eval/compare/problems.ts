// Problem files: one JSON object a line, in the forms that benchmarks are published in.

import { badFile, type HyperthinkError } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";
import { extractAnswer } from "../../scale/answer.ts";
import { answerKey } from "../../scale/key.ts";
import type { Problem } from "../race.ts";

/** Names of the question and of the gold answer, whatever their case; the first one there counts. */
const QUESTIONS = ["prompt", "question", "problem"];
const ANSWERS = ["answer", "solution"];

/**
 * Problems of a JSONL file: `prompt`, `question` or `problem`, and `answer` a line. A gold may be a value (AIME,
 * MATH-500), a solution that ends with "#### value" (GSM8K), or one with a box (MATH). Throws `bad-file` naming the
 * line where one of them is missing, or where no reply's answer could ever equal the gold.
 */
export function parseProblems(file: string, text: string): Problem[] {
  const lines = text
    .replace(/^\ufeff/, "")
    .split("\n")
    .flatMap((line, i) => (line.trim() ? [{ line, number: i + 1 }] : []));
  if (lines.length === 0) throw badFile(`${file}: expected at least one problem, got an empty file`);
  return lines.map(({ line, number }) => {
    const wrong = (why: string) =>
      badFile(
        `${file}: line ${number}: expected {"prompt": text, "answer": text or number} (or "question" or "problem"), ${why}`,
      );
    const fields = fieldsOf(line, wrong);
    const question = QUESTIONS.map((name) => fields.get(name)).find((value) => value !== undefined);
    const answer = ANSWERS.map((name) => fields.get(name)).find((value) => value !== undefined);
    if (typeof question !== "string" || question.trim() === "") throw wrong("got no text of a question");
    if (typeof answer !== "string" && typeof answer !== "number") throw wrong("got no answer");
    if (typeof answer === "number" && !isExact(answer))
      throw wrong("got a number beyond what JSON's readers keep exactly: write it as a text, in quotes");
    const gold = typeof answer === "number" ? String(answer) : goldOf(answer);
    if (gold === null)
      throw wrong(
        `got an answer that no reply can equal: ${JSON.stringify(String(answer).slice(0, 60))}; give the value alone, or end a solution with "#### value"`,
      );
    return { question, answer: gold };
  });
}

/** By names in lower case. */
function fieldsOf(line: string, wrong: (why: string) => HyperthinkError): Map<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw wrong(`got ${visible((error as Error).message)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong("got something else");
  return new Map(Object.entries(value).map(([name, field]) => [name.toLowerCase(), field]));
}

/** Words of prose that a gold value may hold: more make a solution of it. */
const MOST_WORDS = 20;
/** From so many on it may be a sentence that holds the value, which no reply's answer equals. */
const SENTENCE = 3;

/** The value that a gold text gives: itself, or what a solution ends with; null where no reply's answer equals it. */
export function goldOf(text: string): string | null {
  const marked = text
    .split(/^[ \t]*####(?!#)/m)
    .slice(1)
    .at(-1)
    ?.trim();
  if (marked !== undefined) return isValue(marked) ? marked : null;
  if (/\\f?box/.test(text)) {
    const boxed = extractAnswer(text, { thinking: null, finished: true });
    return boxed.kind === "answer" && answerKey(boxed.text) === boxed.key ? boxed.text : null;
  }
  const plain = text.trim();
  if (plain.includes("####")) return null; // within a line
  const said =
    wordsOf(plain) >= SENTENCE || /\banswer\b/i.test(plain)
      ? extractAnswer(plain, { thinking: null, finished: true })
      : null;
  if (said?.kind === "answer" && said.key !== answerKey(plain))
    return said.source === "final-answer" && answerKey(said.text) === said.key ? said.text : null;
  return isValue(plain) ? plain : null;
}

const isExact = (value: number): boolean =>
  Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value));

function isValue(text: string): boolean {
  if (answerKey(text) === "" || /\n\s*\S/.test(text.replace(/\\begin[\s\S]*\\end/g, ""))) return false;
  return wordsOf(text) <= MOST_WORDS;
}

const wordsOf = (text: string): number => text.replace(/\\[a-zA-Z]+/g, " ").match(/[A-Za-z]{2,}/g)?.length ?? 0;
