// Where a setting stands on a task, problem by problem as they are graded.

import { badArgument } from "../../base/errors.ts";
import { mean } from "../../base/mean.ts";
import type { ChainRow } from "../metrics/chain.ts";
import { passAtAll } from "../metrics/estimators.ts";
import { type Interval, scoreInterval } from "../metrics/interval.ts";
import { gradedMajAtK } from "../metrics/majority.ts";
import { hasPerplexity, lossesOf, perplexityInterval } from "../metrics/perplexity.ts";
import type { RecordedSetting, RecordedTask } from "./record.ts";

/** A row of a table: one task under one setting. */
export interface StandingRow {
  task: string;
  setting: string;
  problems: number; // graded so far
  of: number;
  width: number;
  /** The mean score of chains; of values their mean; of texts the perplexity of windows with one; null: none yet. */
  average: number | null;
  /** What a vote of all chains of a problem scores, or whether one is right; null where there are no chains. */
  joint: number | null;
  by: RecordedTask["kind"] | "perplexity";
  cr: number; // achieved while decoding
  reads: number; // KV reads of a problem's chains together, a mean over problems
  tokens: number; // drawn, a mean over chains
  abstained: number;
  truncated: number;
  failed: number;
  looped: number;
}

/** The same with intervals by problem. */
export interface SummaryRow extends Omit<StandingRow, "average" | "joint"> {
  average: Interval | null;
  joint: Interval | null;
}

/** Adds up the problems of one task under one setting. */
export class Standing {
  readonly #task: RecordedTask;
  readonly #setting: RecordedSetting;
  readonly #averages: number[] = []; // of texts those of windows that have a perplexity
  readonly #joint: number[] = []; // of every problem
  readonly #counts = { chains: 0, abstained: 0, truncated: 0, failed: 0, looped: 0 };
  readonly #sums = { reads: 0, fullReads: 0, tokens: 0 };

  constructor(task: RecordedTask, setting: RecordedSetting) {
    this.#task = task;
    this.#setting = setting;
  }

  /** All chains of one problem. */
  add(chains: readonly ChainRow[]): void {
    const scores = chains.map(({ score }) => score);
    if (!this.#task.measure || chains.every(hasPerplexity)) this.#averages.push(mean(scores));
    this.#joint.push(this.#task.kind === "pass" ? passAtAll([{ problem: "", chains }]).mean : voteOf(chains));
    for (const chain of chains) {
      this.#counts.chains++;
      this.#counts.abstained += Number(chain.key === null);
      this.#counts.truncated += Number(chain.end === "truncated");
      this.#counts.failed += Number(chain.end === "failed");
      this.#counts.looped += Number(chain.loop != null);
      for (const name of ["reads", "fullReads", "tokens"] as const) this.#sums[name] += chain[name];
    }
  }

  row(): StandingRow {
    const { spec, kind, measure, problems } = this.#task;
    const { chains, ...counts } = this.#counts;
    const { reads, fullReads, tokens } = this.#sums;
    const done = this.#joint.length;
    const average = measure ? Math.exp(mean(lossesOf(this.#averages))) : mean(this.#averages);
    return {
      ...{ task: spec, setting: this.#setting.id, problems: done, of: problems.length },
      width: kind === "value" ? 1 : this.#setting.width,
      average: this.#averages.length === 0 ? null : average,
      joint: done === 0 || kind === "value" ? null : mean(this.#joint),
      by: measure ?? kind,
      cr: reads > 0 ? fullReads / reads : 1,
      reads: reads / Math.max(1, done),
      tokens: tokens / Math.max(1, chains),
      ...counts,
    };
  }

  summary(): SummaryRow {
    const row = this.row();
    const intervalOf = this.#task.measure ? perplexityInterval : scoreInterval;
    return {
      ...row,
      average: row.average === null ? null : intervalOf(this.#averages, DRAWS),
      joint: row.joint === null ? null : scoreInterval(this.#joint, DRAWS),
    };
  }
}

const DRAWS = { resamples: 2000 };

function voteOf(chains: readonly ChainRow[]): number {
  const keys = chains.map(({ key }) => key);
  const grades = new Map(chains.flatMap(({ key, score }) => (key === null ? [] : [[key, score] as const])));
  return gradedMajAtK([{ keys, grades }], chains.length, { work: 0, subsets: 1 }).mean;
}

/** All standings of an evaluation, by task and then by setting. */
export class Standings {
  readonly #all = new Map<string, Standing>();

  constructor(tasks: readonly RecordedTask[], settings: readonly RecordedSetting[]) {
    for (const task of tasks)
      for (const setting of settings)
        this.#all.set(JSON.stringify([task.spec, setting.id]), new Standing(task, setting));
  }

  add(task: string, setting: string, chains: readonly ChainRow[]): void {
    const standing = this.#all.get(JSON.stringify([task, setting]));
    if (!standing) throw badArgument(`expected a task and setting of this evaluation, got ${task}, ${setting}`);
    standing.add(chains);
  }

  rows(): StandingRow[] {
    return [...this.#all.values()].map((standing) => standing.row());
  }

  summary(): SummaryRow[] {
    return [...this.#all.values()].map((standing) => standing.summary());
  }
}
