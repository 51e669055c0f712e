import pMap from "p-map";
import { mean } from "../base/mean.ts";
import type { Policy } from "../policy/policy.ts";
import type { Session } from "../request/session.ts";
import { answerKey } from "../scale/key.ts";
import { scale } from "../scale/scale.ts";
import { type Interval, pairedDifference, wilson } from "./metrics/interval.ts";
import { type Answers, avgAt1, majAtK } from "./metrics/majority.ts";

/** How problems about containers are sampled (models/README.md), whatever a checkpoint suggests. */
export const RACE_SAMPLING = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };
export const BEADS_TOKENS = 440;

/** A question with a known answer. */
export interface Problem {
  question: string;
  answer: string | number;
}

/** W chains of one problem, run to their ends. Lists are by chain. */
export interface ProblemRun {
  problem: number; // index
  answers: Answers;
  reads: number[]; // KV reads while decoding
  fullReads: number; // of all chains: what the full cache would have read in the same steps
  tokens: number[];
  peakKeys: number[];
}

/**
 * Runs `width` chains of problems, some problems at a time so that batches stay
 * full. Those in `done` are not run again.
 */
export async function runProblems(
  session: Session,
  problems: readonly Problem[],
  width: number,
  options: {
    seed: number;
    /** A policy, or how to make one for each problem. */
    policy?: Policy | { policy: string; cr?: number };
    maxTokens?: number; // default: what bead problems need
    temperature?: number; // default 1
    done?: readonly ProblemRun[];
    onRun?: (run: ProblemRun) => void;
    signal?: AbortSignal;
  },
): Promise<ProblemRun[]> {
  const runs = [...(options.done ?? [])].filter((run) => run.problem < problems.length);
  const todo = [...problems.keys()].filter((i) => !runs.some((run) => run.problem === i));
  const solve = async (i: number) => {
    const result = await scale(session, problems[i].question, {
      ...RACE_SAMPLING,
      earlyStop: false,
      maxTokens: options.maxTokens ?? BEADS_TOKENS,
      temperature: options.temperature ?? RACE_SAMPLING.temperature,
      ...(options.policy && "key" in options.policy ? { policy: options.policy } : options.policy),
      width,
      seed: options.seed + i,
      signal: options.signal,
    }).result;
    const run: ProblemRun = {
      problem: i,
      answers: {
        keys: result.chains.map(({ answer }) => (answer.kind === "answer" ? answer.key : null)),
        correct: answerKey(String(problems[i].answer)),
      },
      reads: result.chains.map((chain) => chain.kvReads),
      fullReads: result.usage.fullReads,
      tokens: result.chains.map((chain) => chain.tokens),
      peakKeys: result.chains.map((chain) => chain.peakKeys),
    };
    runs.push(run);
    options.onRun?.(run);
  };
  // Two problems more than fill 64 running chains, so that the batch stays full while prompts are read.
  await pMap(todo, solve, { concurrency: Math.ceil(64 / width) + 2 });
  return runs.sort((a, b) => a.problem - b.problem);
}

/** Mean peak pages of the pool when `width` chains of one problem run alone. */
export async function soloPeak(
  session: Session,
  problems: readonly Problem[],
  options: { width: number; seed: number; maxTokens: number },
): Promise<number> {
  let pages = 0;
  for (const [i, { question }] of problems.entries()) {
    const own = { ...RACE_SAMPLING, ...options, earlyStop: false, seed: options.seed + i };
    pages += (await scale(session, question, own).result).usage.peakPages;
  }
  return Math.round(pages / problems.length);
}

export const meanReads = (runs: readonly ProblemRun[]): number => mean(runs.flatMap((run) => run.reads));

/** Accuracy of a vote of `width` of the chains that ran (1: avg@1): per problem, and with its 95% interval. */
export function accuracy(runs: readonly ProblemRun[], width: number): { perProblem: number[]; interval: Interval } {
  const answers = runs.map((run) => run.answers);
  const score = width === 1 ? avgAt1(answers) : majAtK(answers, width);
  // A vote of all chains is right or wrong; one of a subset is a share, whose spread over problems gives the interval.
  // Where all shares are alike there is no spread: the problems are what was tried.
  const alike = score.perProblem.every((share) => share === score.perProblem[0]);
  const all = width === answers[0].keys.length || alike;
  const interval = all
    ? { ...wilson(Math.round(score.mean * runs.length), runs.length), mean: score.mean }
    : pairedDifference(new Array(runs.length).fill(0), score.perProblem);
  const clipped = { ...interval, low: Math.max(0, interval.low), high: Math.min(1, interval.high) };
  return { perProblem: score.perProblem, interval: clipped };
}

export const percent = ({ mean, low, high }: Interval): string =>
  `${(100 * mean).toFixed(1)} [${(100 * low).toFixed(1)}, ${(100 * high).toFixed(1)}]`;
