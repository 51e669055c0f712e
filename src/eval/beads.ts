// Word problems without end: containers that hold beads and earlier containers, told in random order among distractors.
// The bundled model was trained on them, so its accuracy can be measured on as many fresh ones as an interval needs.

import { badArgument } from "../base/errors.ts";
import { type Seeded, seeded, shuffled } from "../base/rng.ts";
import type { Extraction } from "../scale/answer.ts";
import { answerKey } from "../scale/key.ts";

const NAMES =
  "cup jar bag tin pot can tub bin pan keg vat jug pail crate sack chest tray bowl mug case rack drum basket bucket".split(
    " ",
  );

/** What one container holds: so many of each earlier container, and loose beads (0: none). */
export interface Fact {
  name: string;
  parts: { name: string; count: number }[]; // at most two
  beads: number;
}

export interface Beads {
  facts: Fact[]; // as told
  chain: string[]; // containers that are needed, each holding the one before; the last is asked for
  values: Record<string, number>; // beads in each of them
}

export interface BeadsShape {
  steps: number; // containers that are needed, from 1
  distractors: number; // containers that are not
  cap?: number; // most beads in any container that is needed, default 999
}

export interface BeadsProblem {
  question: string;
  answer: number;
  steps: number;
}

/**
 * One problem. Throws `bad-argument` for more containers than there are names (24), or a cap that no draw stays under.
 */
export function problem(rng: Seeded, { steps, distractors, cap = 999 }: BeadsShape): Beads {
  if (!(Number.isInteger(steps) && steps >= 1 && Number.isInteger(distractors) && distractors >= 0))
    throw badArgument(`steps from 1 and distractors from 0, whole; got ${steps}, ${distractors}`);
  if (steps + distractors > NAMES.length)
    throw badArgument(
      `steps + distractors may be ${NAMES.length} at most, one name each; got ${steps} + ${distractors}`,
    );
  // With the default cap, every other draw of 8 steps stays under it, and nearly all of up to 5 do.
  for (let tries = 0; tries < 10_000; tries++) {
    const names = shuffled(rng, NAMES).slice(0, steps + distractors);
    const chain = names.slice(0, steps);
    const facts = chain.map((_, i) => needed(rng, chain, i));
    const values: Record<string, number> = {};
    for (const { name, parts, beads } of facts)
      values[name] = parts.reduce((sum, part) => sum + part.count * values[part.name], beads);
    if (values[chain[steps - 1]] > cap) continue;
    for (let i = steps; i < names.length; i++)
      facts.push({
        name: names[i],
        parts: [{ name: names[rng.below(i)], count: 2 + rng.below(3) }],
        beads: loose(rng),
      });
    return { facts: shuffled(rng, facts), chain, values };
  }
  throw badArgument(`no problem of ${steps} steps stays under ${cap} beads; raise the cap`);
}

/** Container `i` of the chain: some of the one before it, and either some of an earlier one or loose beads. */
function needed(rng: Seeded, chain: readonly string[], i: number): Fact {
  if (i === 0) return { name: chain[0], parts: [], beads: loose(rng) };
  const counts = chain.length < 5 ? [2, 3, 4] : [1, 1, 2, 2, 3]; // long chains grow slower, to stay under the cap
  const before = { name: chain[i - 1], count: counts[rng.below(counts.length)] };
  if (i < 2 || rng.next() >= 0.5) return { name: chain[i], parts: [before], beads: loose(rng) };
  const earlier = { name: chain[rng.below(i - 1)], count: 2 + rng.below(3) };
  return { name: chain[i], parts: [before, earlier], beads: 0 };
}

const loose = (rng: Seeded): number => 2 + rng.below(8);

/** The text of a problem: one sentence a fact, then the question. */
export function question({ facts, chain }: Beads): string {
  const told = facts.map(({ name, parts, beads }) => {
    const held = parts.map((part) => `${part.count} ${part.name}${part.count > 1 ? "s" : ""}`);
    return `A ${name} holds ${[...held, ...(beads ? [`${beads} beads`] : [])].join(" and ")}.`;
  });
  return `${told.join(" ")} How many beads does a ${chain.at(-1)} hold?`;
}

/** Beads in the container that is asked for. */
export const answer = ({ chain, values }: Beads): number => values[chain.at(-1)!];

/**
 * `count` problems of `low` to `high` steps and 0 to `distractors` distractors, all equally likely; problem i of a seed
 * is the same whatever `count` is. Throws `bad-argument` as `problem` does.
 */
export function beadsProblems({
  count,
  seed,
  low = 2,
  high = 8,
  distractors = 5,
  cap = 999,
}: {
  count: number;
  seed: number;
  low?: number;
  high?: number;
  distractors?: number;
  cap?: number;
}): BeadsProblem[] {
  const rng = seeded(seed);
  return Array.from({ length: count }, () => {
    const steps = low + rng.below(high - low + 1);
    const beads = problem(rng, { steps, distractors: rng.below(distractors + 1), cap });
    return { question: question(beads), answer: answer(beads), steps };
  });
}

/** A chain's, or a vote's, answer against the problem's. No answer is neither right nor a vote. */
export function grade(problem: BeadsProblem, extraction: Extraction): "correct" | "wrong" | "abstain" {
  if (extraction.kind === "abstain") return "abstain";
  return extraction.key === answerKey(String(problem.answer)) ? "correct" : "wrong";
}
