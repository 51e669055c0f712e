// Needles in long prompts, on a real model: which policies still find them. Runs where SmolLM2 lies beside the models
// that are shipped.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { ScalingBudget } from "../../scale/budget.ts";
import { type EvaluateEvent, type EvaluateOptions, evaluate } from "../harness/evaluate.ts";
import type { SettingChoice } from "../harness/setting.ts";
import { openTask } from "../tasks/open.ts";
import { unrunRemarks } from "./rivals.ts";

export const NEEDLE_MODEL = "smollm2-135m-instruct";
const PROBE = "smollm2-135m-kvzap-linear";
const TASK = "needle:from=2048,to=4096,lengths=4,depths=4,essays=0";
const LENGTH = 48;
const RATIOS = [2, 4, 8];
/** Of half, three quarters and seven eighths of keys; models/README.md has them. */
const KVZAP = [-5.59, -4.42, -2.98];

export const NEEDLE_POLICIES: readonly string[] = [
  ...["full", "streaming", "h2o", "tova", "snapkv", "pyramidkv", "adakv", "rkv", "vase", "quest"],
  ...["expected", "observed", "kvzip", "knorm", "keydiff", "random"],
];
export const NEEDLE_LEFT_OUT = [{ names: ["epikv"], why: "it evicts nothing of a prompt, and the answers are short" }];

export interface Needles {
  /** Folders of the runs under `out`. */
  folders: string[];
  /** What was not run, and why. */
  unrun: string[];
}

export interface NeedleOptions extends Pick<EvaluateOptions, "load" | "open" | "batch" | "signal"> {
  out: string;
  models: string;
  seed: number;
  onEvent: (event: EvaluateEvent) => void;
}

export async function runNeedles({ models, out, seed, onEvent, load, ...runs }: NeedleOptions): Promise<Needles> {
  const path = join(models, NEEDLE_MODEL);
  if (!(await isThere(path)))
    return { folders: [], unrun: [`needles: UNRUN, as ${NEEDLE_MODEL} is not in the folder of the models`] };
  const task = { spec: TASK, task: await openTask(TASK) };
  const unrun = unrunRemarks(NEEDLE_LEFT_OUT);
  const folders: string[] = [];
  const run = async (name: string, settings: SettingChoice[], probe?: string) => {
    const folder = join("runs", name);
    const held = { ...load, probe };
    await evaluate(
      {
        ...{ ...runs, out: join(out, folder), tasks: [task], settings, seed, load: held },
        chains: { temperature: 0 },
      },
      onEvent,
    );
    folders.push(folder);
  };
  const budgets = [1, ...RATIOS].map((cr): ScalingBudget => ({ length: LENGTH, width: 1, cr }));
  const probe = (await isThere(join(models, PROBE))) ? join(models, PROBE) : undefined;
  if (probe === undefined) unrun.push(`kvzap: UNRUN, as ${PROBE} is not there`);
  const kvzap = probe === undefined ? [] : KVZAP.map((threshold) => `kvzap:threshold=${threshold}`);
  const model = { path, adapters: [] };
  await run(
    "needle",
    [...NEEDLE_POLICIES, ...kvzap].map((policy) => ({ model, policy, budgets })),
    probe,
  );
  for (const ratio of [2, 4]) {
    const adapter = join(models, `smollm2-135m-dms-${ratio}x`);
    if (!(await isThere(adapter))) {
      unrun.push(`dms ${ratio}x: UNRUN, as its adapter is not there`);
      continue;
    }
    const own = (name: string, policy: string, cr: number): SettingChoice => ({
      ...{ name, policy, model: { path, adapters: [adapter] }, all: true },
      budgets: [{ length: LENGTH, width: 1, cr }],
    });
    // At the ratio of the adapter, whatever it says that this is.
    await run(`needle-dms-${ratio}x`, [
      own(`dms ${ratio}x`, "dms:threshold=0", 1),
      own(`dms-budget of ${ratio}x`, "dms-budget", ratio),
    ]);
  }
  return { folders, unrun };
}

const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => null)) !== null;
