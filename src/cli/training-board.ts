import { basename, join, resolve } from "node:path";
import { duration } from "../base/duration.ts";
import { RECIPE } from "../model/recipe.ts";
import { readJson } from "../model/source.ts";
import { writeAside } from "../train/disk/aside.ts";
import { JOURNAL, type JournalEntry, readJournal } from "../train/disk/journal.ts";
import type { Forecast } from "../train/estimate.ts";
import { trainingPlot } from "../train/plot.ts";
import { size } from "./format.ts";
import { openTrainingProgress, short } from "./training-progress.ts";

export const PLOT = "training.svg";

/** What a run shows: its progress on stderr, with --json its journal on stdout, and at its end a plot. */
export interface TrainingBoard {
  forecast(forecast: Forecast): void;
  entry(entry: JournalEntry): undefined;
  say(text: string): void;
  done(): void;
  /** Draws the run, before its result is saved: the folder is finished with that. */
  plot(): Promise<void>;
  /** After the result is saved. */
  finish(): Promise<void>;
}

export function trainingBoard({ json, out }: { json?: boolean; out: string }, steps: number): TrainingBoard {
  const progress = openTrainingProgress(process.stderr);
  let judged = ""; // by the last evaluation
  return {
    forecast({ bytes, seconds }) {
      progress.say(`about ${size(bytes)} of memory and ${duration(seconds)}`);
    },
    entry(entry): undefined {
      if (entry.heldOut !== undefined) {
        const achieved = entry.heldOutCr == null ? "" : `, at CR ${entry.heldOutCr.toFixed(2)}`;
        judged = ` (held out ${short(entry.heldOut)}${achieved})`;
      }
      if (json) console.log(JSON.stringify(entry));
      const { step, loss, tokens } = entry;
      if (loss === undefined) {
        if (judged) progress.say(`before the first step${judged}`);
        return;
      }
      progress.show({ ...entry, step, steps, loss, tokens: tokens ?? 0 });
    },
    say: (text) => progress.say(text),
    done: () => progress.done(),
    async plot() {
      const svg = await trainingPlot(await readJournal(join(out, JOURNAL)), basename(resolve(out)));
      await writeAside(join(out, PLOT), Buffer.byteLength(svg), (handle) => handle.writeFile(svg));
    },
    async finish() {
      if (json) console.log(JSON.stringify(await readJson(join(out, RECIPE))));
      else console.log(`saved in ${out}${judged}; ${RECIPE} says how it was made, ${PLOT} shows the run`);
    },
  };
}
