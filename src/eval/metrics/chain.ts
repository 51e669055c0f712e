// Chains as a run wrote them down, and whether all of them are there, once each, and say what can be.

import { badFile } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";
import type { Loop } from "./loops.ts";

/** What reading the prompt cost: the same in all chains of a problem. Keys are means over layers and KV heads. */
export interface PromptCost {
  tokens: number;
  keys: number; // that live when the first token is drawn, after the prompt's cut
  bytes: number; // of their pages
  peakKeys: number; // most while it was read
  peakBytes: number;
}

/** How a spelling was found to be another's answer, by the vote. */
export interface Tie {
  key: string; // its own, before it took the other's
  spelling: string;
  other: string; // the spelling that it was found equal to
  by: string; // key, form, symbolic, numeric
  why: string;
}

/** How an answer was found equal to the gold one where their keys differ, by the grader. */
export interface Spelling {
  gold: string;
  answer: string;
  by: string;
  why: string; // in words, with where it was lenient
}

/** One chain of one problem: a line of a run's record. Plain data, from whatever program. */
export interface ChainRow {
  problem: string;
  chain: number; // index, from 0
  /** What it votes for: equal answers share it. null: it abstained. */
  key: string | null;
  /** The grade of its answer, from 0 to 1, where 1 is right; 0 where it abstained. */
  score: number;
  /** By itself, at a limit of tokens, by an error; or from outside, which leaves nothing to measure. */
  end: "finished" | "truncated" | "failed" | "stopped";
  tokens: number; // drawn
  reads: number; // KV reads while decoding, a mean over layers and KV heads
  fullReads: number; // what the full cache would have read in the same steps
  peakKeys: number; // most that lived while decoding, the prompt's included
  peakBytes: number;
  seconds: number;
  /** The pattern that its end repeats; null or absent: none was found, or looked for. */
  loop?: Loop | null;
  /** Absent: its spelling is the first of its key, or only like the first. */
  merged?: Tie;
  /** Absent: it is right by its key, or is not. */
  graded?: Spelling;
  prompt: PromptCost;
}

/** All chains of one problem, by index. */
export interface ProblemChains {
  problem: string;
  chains: readonly ChainRow[];
}

/** What a run was to write. */
export interface Expected {
  problems: readonly string[];
  width: number; // chains a problem
}

export interface Fault {
  kind: "duplicate" | "missing" | "stray" | "stopped" | "contradiction" | "value";
  problem: string;
  chain: number | null; // null: of the problem as a whole
  why: string;
}

export interface Gathered {
  /** Problems without a fault, in the order expected. */
  problems: ProblemChains[];
  faults: Fault[];
}

/**
 * Rows by problem. A problem with a fault is left out and named, so that no estimate moves in silence: a chain that is
 * there twice (even with the same contents), one that is missing, one of no problem or index that was asked for, one
 * stopped from outside, two grades for one key, a score beside an abstention, numbers that are none.
 */
export function gather(rows: Iterable<ChainRow>, { problems, width }: Expected): Gathered {
  const faults: Fault[] = [];
  const found = new Map(problems.map((problem) => [problem, new Array<ChainRow | undefined>(width)]));
  const fault = (kind: Fault["kind"], problem: string, chain: number | null, why: string) =>
    faults.push({ kind, problem, chain, why });
  for (const row of rows) {
    const { problem, chain } = row;
    const chains = found.get(problem);
    if (!chains) fault("stray", problem, chain, "no problem of this run");
    else if (!Number.isInteger(chain) || chain < 0 || chain >= width)
      fault("stray", problem, chain, `a problem has chains 0 to ${width - 1}`);
    else if (chains[chain]) fault("duplicate", problem, chain, "it is there twice");
    else chains[chain] = row;
  }
  for (const [problem, chains] of found) {
    const grades = new Map<string, number>();
    const first = chains.find((row) => row !== undefined);
    for (let chain = 0; chain < width; chain++) {
      const row = chains[chain];
      if (!row) {
        fault("missing", problem, chain, "it is not there");
        continue;
      }
      const { key, score, end } = row;
      const wrong = wrongValue(row);
      if (wrong) fault("value", problem, chain, wrong);
      if (end === "stopped") fault("stopped", problem, chain, "stopped from outside: measure with early stop off");
      if (key === null && score !== 0)
        fault("contradiction", problem, chain, `it abstained, and has a score: ${score}`);
      else if (key !== null && (grades.get(key) ?? score) !== score)
        fault(
          "contradiction",
          problem,
          chain,
          `its answer has the score ${score}, in another chain ${grades.get(key)}`,
        );
      else if (key !== null) grades.set(key, score);
      if (PROMPT.some((name) => row.prompt?.[name] !== first!.prompt?.[name]))
        fault(
          "contradiction",
          problem,
          chain,
          "its prompt cost something else than that of the problem's other chains",
        );
    }
  }
  const faulty = new Set(faults.map(({ problem }) => problem));
  const sound = problems.filter((problem) => !faulty.has(problem));
  return { problems: sound.map((problem) => ({ problem, chains: found.get(problem) as ChainRow[] })), faults };
}

/** The same where every problem must be sound. Throws `bad-file` that names the first faults. */
export function gatherAll(rows: Iterable<ChainRow>, expected: Expected): ProblemChains[] {
  const { problems, faults } = gather(rows, expected);
  if (faults.length === 0) return problems;
  const shown = faults
    .slice(0, 5)
    .map(({ problem, chain, why }) => `problem ${visible(problem)}${chain === null ? "" : `, chain ${chain}`}: ${why}`);
  throw badFile(
    `expected ${expected.width} chains of each of ${expected.problems.length} problems, once each; ` +
      `${shown.join("; ")}${faults.length > 5 ? `; and ${faults.length - 5} more faults` : ""}`,
  );
}

const COUNTS = ["tokens", "reads", "fullReads", "peakKeys", "peakBytes", "seconds"] as const;
const PROMPT = ["tokens", "keys", "bytes", "peakKeys", "peakBytes"] as const;
const ENDS: readonly string[] = ["finished", "truncated", "failed", "stopped"];

/** What is no value of its field; null where all are. Rows come from files: their types are hopes. */
function wrongValue({ key, score, end, prompt, ...row }: ChainRow): string | null {
  const amount = (value: unknown) => typeof value === "number" && value >= 0 && value < Infinity;
  const bad = COUNTS.find((name) => !amount(row[name]));
  if (bad) return `${bad}: expected a number from 0, got ${row[bad]}`;
  const badPrompt = PROMPT.find((name) => !amount(prompt?.[name]));
  if (badPrompt) return `prompt.${badPrompt}: expected a number from 0, got ${prompt?.[badPrompt]}`;
  if (!(amount(score) && score <= 1)) return `score: expected a number from 0 to 1, got ${score}`;
  if (key !== null && typeof key !== "string") return `key: expected a text or null, got ${typeof key}`;
  return ENDS.includes(end) ? null : `end: expected one of ${ENDS.join(", ")}, got ${end}`;
}
