// What an evaluation left in its folder, for tests.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CHAINS_FILE, HEAD_FILE, type RecordedChain, type RecordHead } from "../../src/eval/harness/record.ts";

export const headOf = (out: string): RecordHead => JSON.parse(readFileSync(join(out, HEAD_FILE), "utf8"));

export const chainsOf = (out: string): RecordedChain[] =>
  readFileSync(join(out, CHAINS_FILE), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));

/** All that a record says of its chains but their times, in one order. */
export const untimed = (out: string): string[] =>
  chainsOf(out)
    .map((chain) => JSON.stringify({ ...chain, seconds: 0 }))
    .sort();
