// Word problems: containers that hold beads and earlier containers, told in random order among distractors. The needed
// ones form a graph and not a chain, so that they can be worked out in many orders.

import { badArgument } from "../../base/errors.ts";
import { type Seeded, shuffled } from "../../base/rng.ts";
import { LEAST_BEADS, MOST_BEADS, NAMES } from "./vocabulary.ts";

/** What one container holds; containers are indices of NAMES. */
export interface Fact {
  container: number;
  parts: readonly Part[]; // at most two, of different containers
  beads: number; // loose ones, 0: none
}

export interface Part {
  container: number;
  count: number; // 1 to 4
}

export interface AbacusProblem {
  facts: readonly Fact[]; // as told
  needed: readonly Fact[]; // each holds only earlier ones, and the last, which is asked for, holds all, directly or not
  answer: number; // beads in it
}

export interface AbacusShape {
  steps: number; // containers that are needed, from 1
  distractors: number; // containers that are not
  cap?: number; // most beads in any container that is needed, default 999
}

/** Chance that a container holds nothing but loose beads, where the others leave the choice. */
const LEAF = 0.25;
/** Chance that one which may hold two kinds of containers does. */
const PAIR = 0.5;
/** Chance that a pair has loose beads beside it. */
const LOOSE = 0.5;

/**
 * One problem. Throws `bad-argument` for more containers than there are names (42), or a cap that no draw stays under.
 */
export function abacusProblem(rng: Seeded, { steps, distractors, cap = 999 }: AbacusShape): AbacusProblem {
  if (!(Number.isInteger(steps) && steps >= 1 && Number.isInteger(distractors) && distractors >= 0))
    throw badArgument(`steps from 1 and distractors from 0, whole; got ${steps}, ${distractors}`);
  if (steps + distractors > NAMES.length)
    throw badArgument(
      `steps + distractors may be ${NAMES.length} at most, one name each; got ${steps} + ${distractors}`,
    );
  const names = shuffled(rng, NAMES.keys()).slice(0, steps + distractors);
  // With the default cap every third draw of 12 steps stays under it, and nearly all of up to 6 do.
  for (let tries = 0; tries < 10_000; tries++) {
    const needed = graph(rng, names, steps);
    const answer = answerOf(needed);
    if (answer > cap) continue;
    const facts = [...needed];
    for (let i = steps; i < names.length; i++) facts.push(distractor(rng, names, i, steps));
    return { facts: shuffled(rng, facts), needed, answer };
  }
  throw badArgument(`no problem of ${steps} steps stays under ${cap} beads; raise the cap`);
}

/** `steps` facts of which all but the last are held by later ones. */
function graph(rng: Seeded, names: readonly number[], steps: number): Fact[] {
  const facts: Fact[] = [];
  let free: number[] = []; // containers that no other holds yet
  for (let i = 0; i < steps; i++) {
    const left = steps - 1 - i; // each of those to come can hold two that were free, and is free itself
    const container = names[i];
    if (i === 0 || (free.length <= left && rng.next() < LEAF)) {
      facts.push({ container, parts: [], beads: loose(rng) });
      free.push(container);
      continue;
    }
    const first = free[rng.below(free.length)];
    let second: number | null = null;
    if (free.length > left + 1) second = other(rng, free, first);
    else if (i > 1 && rng.next() < PAIR) second = other(rng, names.slice(0, i), first);
    facts.push(holding(rng, container, second === null ? [first] : [first, second], counts(steps)));
    free = [...free.filter((name) => name !== first && name !== second), container];
  }
  return facts;
}

/** A container that nothing needed holds; it may hold needed ones. */
function distractor(rng: Seeded, names: readonly number[], i: number, steps: number): Fact {
  const container = names[i];
  if (rng.next() < LEAF) return { container, parts: [], beads: loose(rng) };
  const first = names[rng.below(i)];
  const pair = i > 1 && rng.next() < PAIR;
  return holding(rng, container, pair ? [first, other(rng, names.slice(0, i), first)] : [first], counts(steps));
}

function holding(rng: Seeded, container: number, held: readonly number[], most: readonly number[]): Fact {
  const parts = held.map((name) => ({ container: name, count: most[rng.below(most.length)] }));
  return { container, parts, beads: held.length === 1 || rng.next() < LOOSE ? loose(rng) : 0 };
}

/** Many containers hold fewer of each other, to stay under the cap. */
const counts = (steps: number): readonly number[] =>
  steps < 6 ? [2, 3, 4] : steps < 9 ? [1, 2, 2, 3] : [1, 1, 2, 2, 3];

const loose = (rng: Seeded): number => LEAST_BEADS + rng.below(MOST_BEADS - LEAST_BEADS + 1);

function other(rng: Seeded, names: readonly number[], not: number): number {
  const rest = names.filter((name) => name !== not);
  return rest[rng.below(rest.length)];
}

function answerOf(needed: readonly Fact[]): number {
  const values = new Map<number, number>();
  let sum = 0;
  for (const { container, parts, beads } of needed) {
    sum = parts.reduce((all, part) => all + part.count * values.get(part.container)!, beads);
    values.set(container, sum);
  }
  return sum;
}
