import { dirname, join } from "node:path";
import type { Command } from "commander";
import { duration } from "../base/duration.ts";
import { HyperthinkError } from "../base/errors.ts";
import { EXPERIMENTS, type Experiment } from "../eval/reproduce/plan.ts";
import { LENGTHS, type ReproduceEvent, reproduce } from "../eval/reproduce/reproduce.ts";
import { commandLine } from "./command-line.ts";
import { openEvalBoard } from "./eval-board.ts";
import { count, counted } from "./format.ts";
import { interruptible, note, open } from "./open.ts";
import { embedded } from "./options.ts";
import { listOf, number, whole, wholeList } from "./parse.ts";

interface Flags {
  out: string;
  models?: string;
  problems: number;
  width: number;
  seed: number;
  lengths: number[];
  temperature?: number;
  only?: Experiment[];
  full?: boolean;
  immediate?: string;
  threads?: number;
  batch?: number;
  json?: boolean;
}

export function registerReproduce(program: Command): void {
  program
    .command("reproduce")
    .description("the small counterpart of each of the paper's experiments, on the models that are shipped")
    .option(
      "-o, --out <dir>",
      "folder of all runs and of results.md; a run that was stopped goes on in it",
      join("runs", "reproduce"),
    )
    .option("--problems <n>", "problems of each experiment", whole, 300)
    .option("--width <n>", "chains a problem", whole, 8)
    .option("--seed <n>", "of problems and chains", whole, 0)
    .option(
      "--lengths <list>",
      "most new tokens of a chain; the longest is that of all experiments but scaling",
      wholeList,
      [...LENGTHS],
    )
    .option("--temperature <t>", "of all chains (default: the task's, 1)", number)
    .option("--only <list>", `some of ${EXPERIMENTS.join(", ")} (default: all)`, listOf(...EXPERIMENTS))
    .option(
      "--full",
      "frontiers of all methods at three ratios too, and needles on SmolLM2 where it is there; as long as it takes",
    )
    .option(
      "--immediate <dir>",
      "a retrofit of abacus that was trained to evict at once (retrofit --eviction immediate), to compare",
    )
    .option("--models <dir>", "folder with abacus and abacus-dms-2x, -4x, -8x (default: the shipped ones)")
    .option("--threads <n>", "threads of the cpu device (default: all cores)", whole)
    .option("--batch <n>", "chains in flight (default: as many as run at a time)", whole)
    .option("--json", "print the claims and files as one JSON line")
    .addHelpText(
      "after",
      `
methods: all methods at one achieved compression ratio; eviction: after a window or at once; scaling: width, depth and
both at equal cost. Calibration on other problems comes first, and tells how long the rest takes. docs/eval.md has more.
Example: hyperthink reproduce --only scaling --problems 100 --out runs/scaling`,
    )
    .action(run);
}

async function run({ models, threads, json, ...flags }: Flags): Promise<void> {
  const signal = interruptible();
  const board = openEvalBoard(process.stderr);
  const onEvent = (event: ReproduceEvent) => {
    if (event.type === "run") {
      if (event.event.type === "start") board.start(event.event);
      return;
    }
    board.done();
    note(said(event));
  };
  try {
    const { claims, files } = await reproduce(
      {
        ...flags,
        models: models ?? dirname(embedded("abacus")),
        ...{ load: { threads }, signal, command: commandLine() },
        open: (options) => board.rest(() => open(options)),
      },
      onEvent,
    );
    board.done();
    if (json) console.log(JSON.stringify({ out: flags.out, claims, files }));
    else for (const { claim, verdict, finding } of claims) console.log(`${verdict}: ${claim}. ${finding}`);
    note(`${counted(files.length, "file")} in ${flags.out}, results.md among them; report/ has all numbers`);
  } catch (error) {
    board.done();
    if (error instanceof HyperthinkError && error.code === "aborted")
      throw new HyperthinkError("aborted", `stopped; this goes on from there: ${commandLine()}`);
    throw error;
  }
}

function said(event: Exclude<ReproduceEvent, { type: "run" }>): string {
  if (event.type === "note") return event.text;
  if (event.type === "estimate")
    return `about ${duration(event.seconds)} for ${count(event.tokens)} tokens in all, as fast as the calibration ran; what the folder has takes none`;
  const left = event.left === null ? "" : `, about ${duration(event.left)} for it and what follows`;
  return `${event.name} (${event.at} of ${event.of})${left}`;
}
