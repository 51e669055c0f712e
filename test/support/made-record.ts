// An evaluation's folder, made up.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CHAINS_FILE,
  HEAD_FILE,
  RECORD_VERSION,
  type RecordedChain,
  type RecordedSetting,
  type RecordedTask,
  type RecordHead,
} from "../../src/eval/harness/record.ts";
import { budgetName } from "../../src/scale/budget.ts";
import { row } from "./rows.ts";

export const setting = (policy: string, length: number, width: number, cr: number, model = "m"): RecordedSetting => ({
  id: `${policy} ${budgetName({ length, width, cr })}`,
  policy,
  model,
  length,
  width,
  cr,
});

export interface Made {
  problems: number;
  settings: readonly RecordedSetting[];
  /** What differs from a right chain; null: the chain is not there. */
  chain(problem: number, setting: RecordedSetting, chain: number, task: string): Partial<RecordedChain> | null;
  tasks?: readonly Partial<RecordedTask>[];
  head?: Partial<RecordHead>;
}

export function headOf({ problems, settings, tasks = [{}], head }: Made): RecordHead {
  return {
    version: RECORD_VERSION,
    models: [...new Set(settings.map(({ model }) => model))].map((name) => ({
      name,
      path: `models/${name}`,
      adapters: [],
      fingerprint: `of ${name}`,
    })),
    tasks: tasks.map((task) => ({
      spec: "sums",
      name: "sums",
      source: "made up",
      fingerprint: `${problems} sums`,
      problems: Array.from({ length: problems }, (_, i) => ({ id: `p${i}` })),
      kind: "vote",
      ...task,
    })),
    settings,
    seed: 0,
    sampling: { temperature: 1 },
    machine: { device: "cpu", isa: "any", dtype: "bf16" },
    ...head,
  };
}

/** Its two files' contents. */
export function recordFiles(made: Made): Record<string, string> {
  const head = headOf(made);
  const chains: RecordedChain[] = [];
  for (const { spec, problems } of head.tasks)
    for (const of of made.settings)
      for (const [p, { id }] of problems.entries())
        for (let chain = 0; chain < of.width; chain++) {
          const other = made.chain(p, of, chain, spec);
          const key = other && "key" in other ? other.key! : "1";
          if (other === null) continue;
          chains.push({
            ...row(id, chain, key),
            task: spec,
            setting: of.id,
            seed: p,
            text: "so it is 1",
            answer: key,
            why: null,
            loop: null,
            ...other,
          });
        }
  return {
    [HEAD_FILE]: JSON.stringify(head),
    [CHAINS_FILE]: chains.map((chain) => `${JSON.stringify(chain)}\n`).join(""),
  };
}

export function writeRecord(folder: string, files: Record<string, string>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
}

/** Runs `work` with a folder that is gone afterwards. */
export async function withScratch(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "hyperthink-report-"));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
