// The thinking: the needed facts quoted, a pass that works everything out, and re-checks that do it again. Orders are
// drawn anew each time, so that two chains, or two passes, rarely meet the same arithmetic in the same place.

import { type Seeded, shuffled } from "../../base/rng.ts";
import type { AbacusProblem, Fact, Part } from "./problem.ts";
import { factTokens, numberTokens, partTokens } from "./sentences.ts";
import { TOKENS } from "./vocabulary.ts";

export interface TraceOptions {
  /** Chance that a written product or sum is wrong, by pass; the last one holds for all later passes. */
  slips: readonly number[];
  /** Re-checks. Fewer are written where one more would not fit. */
  checks: number;
  /** More re-checks, until one agrees with the pass before it. */
  settle: boolean;
  /** Most tokens. The first pass is written in any case. */
  most: number;
}

export interface Trace extends Written {
  // Ends in a newline, after which the model ends its thinking, or goes on with " wait".
  results: readonly Result[]; // for the container that is asked for, one a pass
}

interface Written {
  ids: number[];
  slips: number[]; // places in `ids` of the digits of numbers that are wrong where they are computed
}

export interface Result {
  value: number;
  end: number; // ids before and of it
}

/** Quotes, a pass, re-checks. */
export function trace(rng: Seeded, problem: AbacusProblem, { slips, checks, settle, most }: TraceOptions): Trace {
  const all: Trace & { results: Result[] } = { ids: quotes(rng, problem), slips: [], results: [] };
  const { ids, results } = all;
  let values: number[] | null = null;
  const open = () => settle && results.length > 1 && results.at(-1)!.value !== results.at(-2)!.value;
  for (let pass = 0; pass <= checks || open(); pass++) {
    const written: Written = { ids: pass === 0 ? [] : [TOKENS.wait, TOKENS.newline], slips: [] };
    const slip = slips[Math.min(pass, slips.length - 1)];
    const { values: own, end } = derivation(rng, problem, slip, values, written);
    if (pass > 0 && ids.length + written.ids.length > most) break;
    values = own;
    results.push({ value: own[asked(problem)], end: ids.length + end });
    all.slips.push(...written.slips.map((place) => ids.length + place));
    ids.push(...written.ids);
  }
  return all;
}

/** The needed facts, each as it was told, from the asked one on: any that a quote before it has mentioned. */
export function quotes(rng: Seeded, { needed }: AbacusProblem): number[] {
  const ids: number[] = [];
  const mentioned = [needed[needed.length - 1].container];
  for (let i = 0; i < mentioned.length; i++) {
    const j = i + rng.below(mentioned.length - i);
    [mentioned[i], mentioned[j]] = [mentioned[j], mentioned[i]];
    const fact = needed.find(({ container }) => container === mentioned[i])!;
    ids.push(...factTokens(fact, TOKENS.end));
    for (const { container } of fact.parts) if (!mentioned.includes(container)) mentioned.push(container);
  }
  return ids;
}

const asked = ({ needed }: AbacusProblem): number => needed[needed.length - 1].container;

/**
 * Works out all containers, in any order in which each comes after its parts, and appends that to `to`. A value that
 * differs from the one `before` says so. `end`: ids up to the last value, which is the asked one's.
 */
function derivation(
  rng: Seeded,
  { needed }: AbacusProblem,
  slip: number,
  before: readonly number[] | null,
  to: Written,
): { values: number[]; end: number } {
  const { ids } = to;
  const values: number[] = []; // by container
  const left = [...needed];
  let end = 0;
  while (left.length > 0) {
    const ready = left.filter(({ parts }) => parts.every(({ container }) => values[container] !== undefined));
    const fact = ready[rng.below(ready.length)];
    left.splice(left.indexOf(fact), 1);
    const { container } = fact;
    const { value, right } =
      fact.parts.length === 0 ? { value: fact.beads, right: fact.beads } : computed(rng, fact, values, slip, to);
    values[container] = value;
    ids.push(TOKENS.value + container);
    write(to, value, right);
    end = ids.length;
    if (before !== null && before[container] !== value) ids.push(TOKENS.not, ...numberTokens(before[container]));
    ids.push(TOKENS.newline);
  }
  return { values, end };
}

/** "can: 4 jugs + 2 beads = 4 * 7 + 2 = 28 + 2" and a newline, with the terms in any order; gives their sum. */
function computed(
  rng: Seeded,
  { container, parts, beads }: Fact,
  values: number[],
  slip: number,
  to: Written,
): { value: number; right: number } {
  const { ids } = to;
  const terms: (Part | null)[] = beads > 0 ? [...parts, null] : [...parts]; // null: the loose beads
  const order = shuffled(rng, terms);
  const said = order.map((part) => (part === null ? [TOKENS.beads + beads] : partTokens(part)));
  const factors = order.map((part) =>
    part === null
      ? numberTokens(beads)
      : [TOKENS.leading + part.count, TOKENS.times, ...numberTokens(values[part.container])],
  );
  const products = order.map((part) => (part === null ? beads : part.count * values[part.container]));
  const written = order.map((part, i) =>
    part === null ? beads : slipped(rng, products[i], part.count === 1 ? 0 : slip),
  );
  ids.push(TOKENS.derive + container, ...sum(said));
  ids.push(TOKENS.equals, ...sum(factors));
  for (const [i, product] of written.entries()) {
    ids.push(i === 0 ? TOKENS.equals : TOKENS.plus);
    write(to, product, products[i]);
  }
  ids.push(TOKENS.newline);
  const right = written.reduce((all, product) => all + product, 0);
  return { value: slipped(rng, right, slip), right };
}

const sum = (terms: readonly number[][]): number[] =>
  terms.flatMap((term, i) => (i === 0 ? term : [TOKENS.plus, ...term]));

/** Appends a number that should be `right`. */
function write({ ids, slips }: Written, number: number, right: number): void {
  for (const id of numberTokens(number)) {
    if (number !== right) slips.push(ids.length);
    ids.push(id);
  }
}

/** The number, or with probability `slip` one near it: one digit is another, or it is off by 1, 2 or 10. */
function slipped(rng: Seeded, number: number, slip: number): number {
  if (rng.next() >= slip) return number;
  if (rng.below(2) === 0) return Math.max(1, number + OFF[rng.below(OFF.length)]);
  const digits = String(number);
  const place = rng.below(digits.length);
  const least = place === 0 ? 1 : 0; // numbers do not begin with 0
  const others = [...Array(10).keys()].filter((digit) => digit >= least && digit !== Number(digits[place]));
  return Number(digits.slice(0, place) + others[rng.below(others.length)] + digits.slice(place + 1));
}

const OFF = [-10, -2, -1, 1, 2, 10];
