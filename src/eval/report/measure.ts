// What one setting reached and cost on one task, each number with its interval by problem.

import { mean } from "../../base/mean.ts";
import type { RecordedTask } from "../harness/record.ts";
import type { ChainRow, ProblemChains } from "../metrics/chain.ts";
import type { Budget } from "../metrics/cost.ts";
import { averageScore } from "../metrics/estimators.ts";
import { bootstrap, bootstrapMean, type Interval, pairedBootstrap, scoreInterval } from "../metrics/interval.ts";
import { lossesOf, perplexityInterval } from "../metrics/perplexity.ts";
import { isLenient, tally } from "../metrics/tally.ts";
import type { Run } from "./complete.ts";
import { type GridPoint, perBudget } from "./points.ts";

/** Draws for what is no accuracy. */
const COST_DRAWS = { resamples: 2000 };

/** Chains of a kind: their number, and their share. */
export interface Share {
  chains: number;
  share: Interval;
}

export interface WidthResult {
  width: number;
  /** The vote's, or pass@w where answers can be checked. */
  accuracy: Interval;
  costs: Record<Budget, Interval>;
}

/** A setting less its baseline, on the same problems. */
export interface Difference {
  baseline: string; // a setting's id
  /** Of avg@1; of texts of their losses in nats a token. */
  average: Interval;
  /** Of so many chains each. */
  width: number;
  accuracy: Interval;
}

export interface SettingResult {
  id: string;
  line: string;
  policy: string;
  model: string;
  length: number;
  width: number;
  cr: number; // as asked for
  chains: number;
  /** avg@1: the mean score of chains. Of texts their perplexity. */
  average: Interval;
  widths: WidthResult[];
  /** The compression that was achieved while decoding. */
  achieved: Interval;
  abstained: Share;
  truncated: Share;
  failed: Share;
  looped: Share;
  /** Chains whose spelling was taken for another's, and those that the grader was lenient with. */
  merged: number;
  lenient: number;
  /** Tokens drawn, of chains. */
  tokens: { mean: Interval; p10: number; p25: number; median: number; p75: number; p90: number; most: number };
  seconds: Interval; // a chain, as it was batched
  prompt: { tokens: number; peakKeys: number; peakBytes: number }; // means over problems
  /** null: there is no baseline, or this is it. */
  difference: Difference | null;
}

export function measure(
  { setting, problems }: Run,
  task: Pick<RecordedTask, "measure">,
  line: string,
  grid: readonly GridPoint[],
): Omit<SettingResult, "difference"> {
  const { chains, cr: _, tokens, abstained, truncated, failed, looped } = tally(problems);
  const drawn = Float64Array.from(problems.flatMap((p) => p.chains.map((chain) => chain.tokens))).sort();
  const at = (q: number) => drawn[Math.max(0, Math.ceil(q * drawn.length) - 1)];
  const share = (count: number, is: (chain: ChainRow) => boolean): Share => ({
    chains: count,
    share: scoreInterval(problems.map(({ chains }) => chains.filter(is).length / chains.length)),
  });
  const count = (is: (chain: ChainRow) => boolean) => problems.flatMap((p) => p.chains.filter(is)).length;
  const meanOf = (of: (chain: ChainRow) => number) => perChain(problems, of);
  const { id, policy, model, length, width, cr } = setting;
  return {
    id,
    line,
    policy,
    model,
    length,
    width,
    cr,
    chains,
    average: averageOf(problems, task),
    widths: grid.map((point) => ({
      width: point.width,
      accuracy: scoreInterval(point.accuracy),
      costs: perBudget((budget) => bootstrapMean(point.costs[budget], COST_DRAWS)),
    })),
    achieved: achievedRatio(problems),
    abstained: share(abstained, ({ key }) => key === null),
    truncated: share(truncated, ({ end }) => end === "truncated"),
    failed: share(failed, ({ end }) => end === "failed"),
    looped: share(looped, ({ loop }) => loop != null),
    merged: count(({ merged }) => merged !== undefined),
    lenient: count(({ graded }) => graded !== undefined && isLenient(graded)),
    tokens: {
      mean: meanOf((chain) => chain.tokens),
      p10: at(0.1),
      p25: at(0.25),
      median: tokens.median,
      p75: at(0.75),
      p90: tokens.p90,
      most: tokens.most,
    },
    seconds: meanOf((chain) => chain.seconds),
    prompt: {
      tokens: mean(problems.map(({ chains }) => chains[0].prompt.tokens)),
      peakKeys: mean(problems.map(({ chains }) => chains[0].prompt.peakKeys)),
      peakBytes: mean(problems.map(({ chains }) => chains[0].prompt.peakBytes)),
    },
  };
}

/** The mean score of problems; of texts exp of their mean loss, where windows are equally long. */
export function averageOf(problems: readonly ProblemChains[], { measure }: Pick<RecordedTask, "measure">): Interval {
  const scores = averageScore(problems).perProblem;
  return measure === "perplexity" ? perplexityInterval(scores, COST_DRAWS) : scoreInterval(scores);
}

const perChain = (problems: readonly ProblemChains[], of: (chain: ChainRow) => number): Interval =>
  bootstrapMean(
    problems.map(({ chains }) => mean(chains.map(of))),
    COST_DRAWS,
  );

/** What the full cache would have read over what was read, all chains together; 1 where nothing was read. */
function achievedRatio(problems: readonly ProblemChains[]): Interval {
  const sums = (name: "reads" | "fullReads") =>
    problems.map(({ chains }) => chains.reduce((sum, chain) => sum + chain[name], 0));
  const [reads, full] = [sums("reads"), sums("fullReads")];
  const ratio = (drawn: Iterable<number>) => {
    let [above, below] = [0, 0];
    for (const i of drawn) {
      above += full[i];
      below += reads[i];
    }
    return below > 0 ? above / below : null;
  };
  const middle = ratio(problems.keys());
  if (middle === null) return { mean: 1, low: 1, high: 1 };
  const { low, high } = bootstrap(problems.length, ratio, COST_DRAWS);
  return { mean: middle, low, high };
}

/**
 * A setting less another, paired by problem; of texts their losses. Votes are of the most chains that both have points
 * of. null with less than two problems.
 */
export function differ(
  [run, grid]: readonly [Run, readonly GridPoint[]],
  [base, baseGrid]: readonly [Run, readonly GridPoint[]],
  { measure }: Pick<RecordedTask, "measure">,
): Difference | null {
  if (run.problems.length < 2) return null;
  const width = grid.map((point) => point.width).findLast((w) => baseGrid.some((point) => point.width === w))!;
  const at = (points: readonly GridPoint[]) => points.find((point) => point.width === width)!.accuracy;
  const scores = [base, run].map(({ problems }) => averageScore(problems).perProblem);
  const [before, after] = measure === "perplexity" ? scores.map(lossesOf) : scores;
  return {
    baseline: base.setting.id,
    average: pairedBootstrap(before, after),
    width,
    accuracy: pairedBootstrap(at(baseGrid), at(grid)),
  };
}
