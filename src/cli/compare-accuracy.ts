import { badArgument } from "../base/errors.ts";
import { abacusProblems } from "../eval/abacus/problems.ts";
import { beadsProblems } from "../eval/beads.ts";
import type { Candidate } from "../eval/compare/compare.ts";
import { parseProblems } from "../eval/compare/problems.ts";
import { readText } from "../eval/compare/texts.ts";
import { accuracy, meanReads, type Problem, type ProblemRun, percent, runProblems } from "../eval/race.ts";
import type { Session } from "../request/session.ts";
import { table } from "./format.ts";
import { openStatusLine } from "./status-line.ts";

export interface AccuracyFlags {
  problems?: string;
  width: number;
  maxTokens: number;
  seed: number;
}

export interface AccuracyRow {
  policy: string;
  problems: number;
  avgAt1: { mean: number; low: number; high: number };
  majAtK: { mean: number; low: number; high: number };
  cr: number;
  reads: number;
  tokens: number;
}

/** Accuracy of each policy on the same problems with the same seeds. */
export async function accuracyRows(
  session: Session,
  candidates: readonly Candidate[],
  flags: AccuracyFlags,
  signal: AbortSignal,
): Promise<{ rows: AccuracyRow[]; text: string }> {
  const { width, seed, maxTokens } = flags;
  const problems = await readProblems(flags.problems!, seed);
  const rows: AccuracyRow[] = [];
  using status = openStatusLine(process.stderr);
  for (const { label, policy, spec } of candidates) {
    let done = 0;
    const show = () => status.show(`${label}: problem ${done} of ${problems.length}`);
    show(); // the first ones take a while
    const runs = await runProblems(session, problems, width, {
      seed,
      policy: spec ?? policy,
      maxTokens,
      signal,
      onRun: () => {
        done++;
        show();
      },
    });
    rows.push({
      policy: label,
      problems: problems.length,
      avgAt1: accuracy(runs, 1).interval,
      majAtK: accuracy(runs, width).interval,
      // Chains of one token read nothing.
      cr: sum(runs, (r) => r.fullReads) / sum(runs, (r) => r.reads.reduce((a, b) => a + b, 0)) || 1,
      reads: meanReads(runs),
      tokens: sum(runs, (r) => r.tokens.reduce((a, b) => a + b, 0)) / (runs.length * width),
    });
  }
  const text = table([
    ["policy", "problems", "avg@1 [95%]", `maj@${width} [95%]`, "CR", "reads a chain", "tokens"],
    ...rows.map((row) => [
      row.policy,
      String(row.problems),
      percent(row.avgAt1),
      percent(row.majAtK),
      row.cr.toFixed(2),
      row.reads.toFixed(0),
      row.tokens.toFixed(0),
    ]),
  ]);
  return { rows, text };
}

const sum = (runs: readonly ProblemRun[], of: (run: ProblemRun) => number): number =>
  runs.reduce((n, run) => n + of(run), 0);

async function readProblems(what: string, seed: number): Promise<Problem[]> {
  const [, name, count] = /^(beads|abacus)(?::([1-9]\d*))?$/.exec(what) ?? [];
  if (/^(?:beads?|abacus):/.test(what) && !name)
    throw badArgument(
      `--problems: expected beads, beads:N, abacus or abacus:N with N >= 1, or a JSONL file, got "${what}"`,
    );
  if (!name) return parseProblems(what, await readText(what));
  return (name === "beads" ? beadsProblems : abacusProblems)({ count: Number(count ?? 40), seed });
}
