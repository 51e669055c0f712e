import type { Command } from "commander";
import { ABACUS_TOKENS, abacusProblems } from "../eval/abacus/problems.ts";
import { type Interval, pairedDifference } from "../eval/metrics/interval.ts";
import {
  accuracy,
  meanReads,
  type Problem,
  type ProblemRun,
  percent,
  RACE_SAMPLING,
  runProblems,
  soloPeak,
} from "../eval/race.ts";
import type { LoadOptions, Session } from "../request/session.ts";
import { scale } from "../scale/scale.ts";
import { openBoard } from "./board.ts";
import { count, counted, table } from "./format.ts";
import { interruptible, note, open } from "./open.ts";
import { embedded, type ModelFlags } from "./options.ts";
import { choice, whole } from "./parse.ts";
import { openStatusLine } from "./status-line.ts";

type Flags = Pick<ModelFlags, "device" | "threads"> & {
  problems: number;
  width: number;
  most: number;
  seed: number;
  json?: boolean;
};

/** Problems run alone for the column of peak pages. */
const SOLO = 6;

export function registerDemo(program: Command): void {
  program
    .command("demo")
    .description(
      "what `npm start` runs: a problem solved live, then full cache against compressed cache at equal KV reads",
    )
    .option("--problems <n>", "problems of the comparison", whole, 80)
    .option("--width <n>", "chains of the full cache", whole, 1)
    .option("--most <n>", "most chains of the compressed cache", whole, 8)
    .option("--seed <n>", "seed of problems and chains", whole, 1)
    .option("--device <name>", "cpu or reference", choice("cpu", "reference"))
    .option("--threads <n>", "threads of the cpu device", whole)
    .option("--json", "print the comparison as JSON")
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const signal = interruptible();
  const shared: Omit<LoadOptions, "model"> = { device: flags.device, threads: flags.threads, signal };
  const [first] = abacusProblems({ count: 1, seed: flags.seed, low: 4, high: 4 });
  const problems = abacusProblems({ count: flags.problems, seed: flags.seed });
  const live = flags.json ? null : openBoard(process.stdout);

  await using dms = await open({ model: embedded("abacus-dms-8x"), ...shared });
  if (live) {
    console.log(`${first.question}\n(the right answer: ${first.answer})\n`);
    const options = { ...RACE_SAMPLING, maxTokens: ABACUS_TOKENS, width: flags.most, seed: flags.seed, signal };
    for await (const event of scale(dms, first.question, options)) live.show(event);
    console.log(`\n${counted(problems.length, "more problem")}, ${dms.device.description}\n`);
    if (dms.device.name === "reference")
      note("the reference device is some 50 times slower than cpu: 80 problems take an hour; try --problems 2");
  }
  await using full = await open({ model: embedded("abacus"), ...shared });
  const fullRuns = await race(full, "full cache", problems, flags.width, flags, signal);
  const dmsRuns = await race(dms, "compressed", problems, flags.most, flags, signal);
  // The widest vote whose reads, as measured, the full cache's reads pay for.
  const paid = Math.max(1, Math.min(flags.most, Math.floor((meanReads(fullRuns) * flags.width) / meanReads(dmsRuns))));
  const rows = [
    { cache: "full", chains: flags.width, ...(await measured(full, fullRuns, problems, flags.width, flags.seed)) },
    { cache: "DMS, 8x", chains: paid, ...(await measured(dms, dmsRuns, problems, paid, flags.seed)) },
  ];
  const gain = pairedDifference(rows[0].perProblem, rows[1].perProblem);
  if (flags.json)
    console.log(JSON.stringify({ problems: problems.length, rows: rows.map(({ perProblem, ...row }) => row), gain }));
  else console.log(render(rows, gain, problems.length));
}

async function race(
  session: Session,
  name: string,
  problems: readonly Problem[],
  width: number,
  flags: Flags,
  signal: AbortSignal,
): Promise<ProblemRun[]> {
  const started = performance.now();
  let done = 0;
  const work = async () => {
    using status = flags.json ? null : openStatusLine(process.stderr);
    return await runProblems(session, problems, width, {
      seed: 1000 * flags.seed,
      maxTokens: ABACUS_TOKENS,
      signal,
      onRun: () => {
        done++;
        status?.show(`${name}: ${done} of ${counted(problems.length, "problem")}, ${counted(width, "chain")} each`);
      },
    });
  };
  const runs = await work();
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  if (!flags.json)
    process.stderr.write(
      `${name}: ${counted(problems.length, "problem")}, ${counted(width, "chain")} each, ${seconds} s\n`,
    );
  return runs;
}

interface Row {
  cache: string;
  chains: number;
  reads: number; // a problem
  peakPages: number;
  interval: Interval;
  perProblem: number[];
}

async function measured(
  session: Session,
  runs: ProblemRun[],
  problems: readonly Problem[],
  chains: number,
  seed: number,
): Promise<Omit<Row, "cache" | "chains">> {
  const peakPages = await soloPeak(session, problems.slice(0, SOLO), {
    ...{ width: chains, seed: 1000 * seed, maxTokens: ABACUS_TOKENS },
  });
  return { reads: meanReads(runs) * chains, peakPages, ...accuracy(runs, chains) };
}

function render(rows: readonly Row[], gain: Interval, problems: number): string {
  const verdict =
    gain.low > 0
      ? "more right answers for no more reads"
      : gain.high < 0
        ? "fewer right answers: the compressed cache lost here"
        : `the interval holds 0: ${counted(problems, "problem")} cannot tell them apart (try --problems 400)`;
  return [
    "",
    table([
      ["cache", "chains", "KV reads a problem", "peak pages", "accuracy of the vote, 95% interval"],
      ...rows.map((row) => [
        row.cache,
        String(row.chains),
        count(row.reads),
        count(row.peakPages),
        percent(row.interval),
      ]),
    ]),
    "",
    `DMS - full, paired: ${(100 * gain.mean).toFixed(1)} points [${(100 * gain.low).toFixed(1)}, ${(100 * gain.high).toFixed(1)}] (95%): ${verdict}.`,
  ].join("\n");
}
