// Problems as tokens: what a fact, a question and a prompt say.

import type { AbacusProblem, Fact, Part } from "./problem.ts";
import { TOKENS } from "./vocabulary.ts";

/** "A can holds 4 jugs, 2 tins and 7 beads", and `end`. */
export function factTokens({ container, parts, beads }: Fact, end: number): number[] {
  const held = parts.map(partTokens);
  if (beads > 0) held.push([TOKENS.beads + beads]);
  const ids = [TOKENS.holds + container];
  for (const [i, part] of held.entries()) {
    if (i > 0) ids.push(i === held.length - 1 ? TOKENS.and : TOKENS.comma);
    ids.push(...part);
  }
  ids.push(end);
  return ids;
}

/** " 4 jugs". */
export const partTokens = ({ container, count }: Part): number[] => [
  TOKENS.leading + count,
  (count === 1 ? TOKENS.one : TOKENS.many) + container,
];

/** All facts, and what is asked. */
export const questionTokens = ({ facts, needed }: AbacusProblem): number[] => [
  ...facts.flatMap((fact) => factTokens(fact, TOKENS.stop)),
  TOKENS.ask,
  TOKENS.one + needed[needed.length - 1].container,
  TOKENS.hold,
];

/** The question in the model's chat template, up to where its thinking begins. */
export const promptTokens = (problem: AbacusProblem): number[] => [
  ...[TOKENS.turn, TOKENS.user, TOKENS.newline],
  ...questionTokens(problem),
  ...[TOKENS.endOfTurn, TOKENS.newline, TOKENS.turn, TOKENS.assistant, TOKENS.newline],
  ...[TOKENS.think, TOKENS.newline],
];

/** The digits of a whole number; the first one is " 7" where a blank comes before it. */
export const numberTokens = (number: number, first = TOKENS.leading): number[] =>
  Array.from(String(number), (digit, i) => (i === 0 ? first : TOKENS.digit) + Number(digit));

/** What follows the thinking, from its end on. */
export const answerTokens = (answer: number): number[] => [
  ...[TOKENS.endOfThinking, TOKENS.newline, TOKENS.box],
  ...numberTokens(answer, TOKENS.digit),
  ...[TOKENS.closing, TOKENS.endOfTurn],
];
