// A share of all problems is never trained on: problems of tests and evaluations are among these. Most problems would
// hardly ever be drawn twice (there are more than 10^30 of 5 steps and 5 distractors), but of 2 steps without
// distractors there are 1.7 million.

import type { AbacusProblem, Fact } from "./problem.ts";

/** One problem in so many is held out. */
const SHARE = 8;

/** Whether a problem is held out, in whatever order its facts and their parts are told. */
export function isHeldOut({ facts, needed }: AbacusProblem): boolean {
  const told = facts.reduce((sum, fact) => sum + factHash(fact), 0);
  return mixed(told, needed[needed.length - 1].container) % SHARE === 0;
}

const factHash = ({ container, parts, beads }: Fact): number =>
  mixed(
    container,
    parts.reduce((sum, part) => sum + mixed(part.container, part.count), mixed(beads, 0x5bd1)),
  );

/** 32 bits of two numbers: the finalizer of MurmurHash3 (Austin Appleby, public domain) over their sum. */
function mixed(a: number, b: number): number {
  let x = (Math.imul(a, 0x9e3779b1) + b) | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
