import type { Session } from "../engine/session.ts";
import { scale } from "../scale/scale.ts";
import type { BeadsProblem } from "./beads.ts";
import { type Answers, avgAt1, type Interval, majAtK, pairedDifference, wilson } from "./interval.ts";

/** One cache over a set of problems: W chains each, run to their ends. */
export interface Runs {
  answers: Answers[];
  readsPerChain: number; // mean over problems and chains
  readsOf: number[]; // a problem: mean over its chains
}

/** Runs `width` chains of every problem, some problems at a time so that batches stay full. */
export async function runProblems(
  session: Session,
  problems: readonly BeadsProblem[],
  width: number,
  options: { seed: number; atATime: number; onProblem?: (done: number) => void; signal?: AbortSignal },
): Promise<Runs> {
  const answers: Answers[] = new Array(problems.length);
  const readsOf: number[] = new Array(problems.length);
  const todo = [...problems.keys()];
  let done = 0;
  const worker = async () => {
    for (let i = todo.shift(); i !== undefined; i = todo.shift()) {
      const result = await scale(session, problems[i].question, {
        width,
        temperature: 1, // models/README.md
        maxTokens: 440,
        seed: options.seed + i,
        earlyStop: false,
        signal: options.signal,
      }).result;
      answers[i] = {
        keys: result.chains.map(({ answer }) => (answer.kind === "answer" ? answer.key : null)),
        correct: String(problems[i].answer),
      };
      readsOf[i] = result.bill.kvReads / width;
      options.onProblem?.(++done);
    }
  };
  await Promise.all(Array.from({ length: options.atATime }, worker));
  return { answers, readsOf, readsPerChain: readsOf.reduce((a, b) => a + b, 0) / readsOf.length };
}

/** Mean peak pages of the pool when the votes of `width` chains run alone, over the first few problems. */
export async function soloPeak(
  session: Session,
  problems: readonly BeadsProblem[],
  width: number,
  seed: number,
): Promise<number> {
  let pages = 0;
  for (const [i, { question }] of problems.entries())
    pages += (
      await scale(session, question, { width, temperature: 1, maxTokens: 440, seed: seed + i, earlyStop: false }).result
    ).bill.peakPages;
  return Math.round(pages / problems.length);
}

/** Accuracy of a vote of `width` chains by subsets of the run: per problem, and with its 95% interval. */
export function accuracy(runs: Runs, width: number): { perProblem: number[]; interval: Interval } {
  const score = width === 1 ? avgAt1(runs.answers) : majAtK(runs.answers, width);
  const zero = score.perProblem.map(() => 0);
  // A vote of all chains is right or wrong; one of a subset is a share, whose spread over problems gives the interval.
  const all = width === runs.answers[0].keys.length;
  const interval = all
    ? wilson(Math.round(score.mean * runs.answers.length), runs.answers.length)
    : pairedDifference(zero, score.perProblem);
  return { perProblem: score.perProblem, interval };
}
