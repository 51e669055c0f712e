// Game of 24: four numbers, each used exactly once with + - * / and brackets, to make 24.
//
// Protocol: base models continue the five examples of Tree of Thoughts (its standard prompt); chat models are asked
// zero-shot. The answer is the expression in a box, else after the last "Answer:", else on the last line, up to its
// "=". It is checked exactly, with fractions: right value, right numbers, each once. Anyone can check an answer, so a
// set of chains counts if one of them is right (pass@k); a vote between right expressions that differ splits them.
// Games 901 to 1000 of the file, which are hard for people, are the field's test set.
// Source: arXiv 2305.10601; github.com/princeton-nlp/tree-of-thought-llm (MIT). File: 24.csv with a column "Puzzles".

import { badArgument, badFile } from "../../base/errors.ts";
import { afterThinking } from "../../request/thinking.ts";
import { lastBoxes } from "../../scale/box.ts";
import { evaluate, spelledPlainly } from "./arithmetic.ts";
import { textField } from "./data/fields.ts";
import { findData } from "./data/find.ts";
import { readRows } from "./data/rows.ts";
import { someOf } from "./questions.ts";
import type { TaskRecipe } from "./recipe.ts";
import type { Answered, Item, ItemOptions, Reply } from "./task.ts";

const PUBLISHED = { files: ["24.csv"], hub: [] };

export const game24: TaskRecipe = {
  name: "game24",
  kind: "vote",
  summary: "Game of 24: four numbers and + - * / make 24",
  source: "arXiv 2305.10601; github.com/princeton-nlp/tree-of-thought-llm, data/24/24.csv",
  protocol: "base models 5-shot, chat models zero-shot; an expression is checked exactly; games 901 to 1000",
  data: "24.csv",
  settings: {
    from: { about: "first game of the file", default: 901, least: 1, most: 1e6 },
    to: { about: "last one", default: 1000, least: 1, most: 1e6 },
  },
  make: ({ from, to }) => ({
    kind: "vote",
    by: "pass",
    items: (options) => items(options, from, to),
    ask: ({ question }, style) =>
      style === "chat"
        ? { prompt: asked(question), maxTokens: 8192 }
        : { prompt: { raw: `${SHOTS}Input: ${question}\n` }, maxTokens: 64, stop: ["Input:"] },
    extract: (_item, reply) => extractExpression(reply),
    grade: async ({ question }, { text }) => Number(makes24(question, text)),
  }),
};

async function items(options: ItemOptions, from: number, to: number): Promise<Item[]> {
  const rows = await readRows(await findData(PUBLISHED, options));
  if (to > rows.length)
    throw badArgument(`game24: expected games from 1 to ${rows.length}, the file's last, got ${from} to ${to}`);
  const all = rows.map((row, i) => {
    const question = textField(row, "puzzles").trim();
    if (!/^\d{1,2}(?: \d{1,2}){3}$/.test(question))
      throw badFile(
        `${row.where}: expected four numbers with blanks between, got ${JSON.stringify(question.slice(0, 40))}`,
      );
    return { id: String(i + 1), question, gold: "24" };
  });
  return someOf(all.slice(from - 1, to), options);
}

/** Whether an expression has the value 24, and the puzzle's numbers once each. */
export function makes24(puzzle: string, expression: string): boolean {
  const found = evaluate(expression);
  if (found?.value.top !== 24n || found.value.bottom !== 1n) return false;
  const inOrder = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b).join(" ");
  return inOrder(found.numbers) === inOrder(puzzle.split(" ").map(Number));
}

/** The expression that a reply ends with. What its key spells is without blanks; no two that differ are joined. */
function extractExpression({ text, thinking, opened, finished }: Reply): Answered {
  const reply = thinking === null ? text : afterThinking(text, thinking, opened);
  if (reply === null) return { kind: "abstain", reason: "cut-off-thinking" };
  const { parts } = lastBoxes(reply.slice(-65_536));
  const line = reply
    .trimEnd()
    .split("\n")
    .map((each) => each.trim())
    .filter((each) => /answer:/i.test(each))
    .at(-1);
  const last = finished ? (line ?? reply.trimEnd().split("\n").at(-1)!) : undefined;
  const said = parts.at(-1) ?? last?.replace(/^.*answer:/i, "");
  const expression =
    said
      ?.split("=")[0]
      .replace(/\*\*|`/g, "")
      .trim() ?? "";
  return /\d/.test(expression)
    ? { kind: "answer", text: expression, key: spelledPlainly(expression).slice(0, 400) }
    : { kind: "abstain", reason: "no-answer" };
}

const asked = (puzzle: string): string =>
  `Use the four numbers ${puzzle.replaceAll(" ", ", ")}, each exactly once, with + - * / and brackets to make 24. ` +
  `Please reason step by step, and put the expression within \\boxed{}, without "= 24".`;

const SHOTS = `Use numbers and basic arithmetic operations (+ - * /) to obtain 24.
Input: 4 4 6 8
Answer: (4 + 8) * (6 - 4) = 24
Input: 2 9 10 12
Answer: 2 * 12 * (10 - 9) = 24
Input: 4 9 10 13
Answer: (13 - 9) * (10 - 4) = 24
Input: 1 4 8 8
Answer: (8 / 4 + 1) * 8 = 24
Input: 5 5 5 9
Answer: 5 + 5 + 5 + 9 = 24
`;
