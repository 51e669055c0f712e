import type { Command } from "commander";
import { visible } from "../base/visible.ts";
import { accuracyName, averageName } from "../eval/report/columns.ts";
import { meanGaps } from "../eval/report/compare-tables.ts";
import type { LineOf } from "../eval/report/lines.ts";
import { makeReport, type TaskReport } from "../eval/report/report.ts";
import { type Cell, told, type Unit } from "../eval/report/table.ts";
import { problemLine, wallTimes } from "../eval/report/words.ts";
import { writeReport } from "../eval/report/write.ts";
import { counted, table } from "./format.ts";
import { note } from "./open.ts";
import { choice, texts } from "./parse.ts";

interface Flags {
  out?: string;
  baseline?: string;
  setting?: string[];
  lines?: LineOf;
  json?: boolean;
}

export function registerReport(program: Command): void {
  program
    .command("report")
    .description("tables and figures of recorded evaluations: accuracy against what the cache cost")
    .argument("<dir...>", "folders that an evaluation has written (run.json, chains.jsonl), finished or not")
    .option("--out <dir>", "write report.html, report.md, report.json, CSV and figures (SVG, PNG) there")
    .option(
      "--baseline <id>",
      "the setting that others are compared with (default: the full cache of the same length and width)",
    )
    .option("--setting <id>", "compare this one; may be given several times (default: all)", texts)
    .option(
      "--lines <what>",
      "one line a policy or a policy and model (default: a policy's models apart where two of them ran the same L-W-CR)",
      choice("policy", "model"),
    )
    .option("--json", "print the report as JSON")
    .addHelpText(
      "after",
      `
Only problems that every compared setting has finished count; what is left out is told. docs/metrics.md says what each
number is, docs/report.md what is drawn.
Example: hyperthink report runs/gsm8k runs/gsm8k-dms --out report`,
    )
    .action(run);
}

async function run(folders: string[], { out, json, setting, ...flags }: Flags): Promise<void> {
  const report = await makeReport(folders, { ...flags, settings: setting });
  const files = out === undefined ? [] : await writeReport(report, out);
  if (json) console.log(JSON.stringify(report));
  else {
    for (const task of report.tasks) console.log(`${taskText(task)}\n`);
    for (const text of [...wallTimes(report), ...report.notes]) note(text);
  }
  if (out !== undefined) note(`${counted(files.length, "file")} in ${out}, report.html among them`);
}

/** A task on a terminal: one row a setting, and how far the frontiers lie apart. */
function taskText(task: TaskReport): string {
  const head = [`${visible(task.spec)}: ${problemLine(task)}`, ...task.notes];
  if (task.settings.length === 0) return head.join("\n");
  const rows = task.settings.map((s) => {
    const { accuracy, costs } = s.widths.at(-1)!;
    const averages: [Cell, Unit][] = [
      [s.average, task.measure ? "precise" : "share"],
      [accuracy, "share"],
    ];
    const cells: [Cell, Unit][] = [
      [s.id, "text"],
      ...averages.slice(0, task.kind === "value" ? 1 : 2),
      [s.achieved.mean, "ratio"],
      [costs.reads.mean, "number"],
      [costs.peakKeys.mean, "number"],
      [costs.peakBytes.mean, "bytes"],
      [s.tokens.mean.mean, "number"],
      ...[s.abstained, s.truncated, s.failed, s.looped].map(({ chains }): [Cell, Unit] => [chains, "count"]),
    ];
    return cells.map(([cell, unit]) => told(cell, unit));
  });
  const names = [
    "setting",
    task.measure ?? `${averageName(task)} %`,
    ...(task.kind === "value" ? [] : [`${accuracyName(task.kind, "W")} %`]),
    ..."CR,KV reads,peak keys,peak bytes,tokens,no answer,cut off,failed,loops".split(","),
  ];
  const gaps = meanGaps(task);
  const lines = gaps.rows.map((row) => row.map((cell, i) => told(cell, gaps.columns[i].unit)));
  return [
    ...head,
    "",
    table([names, ...rows]),
    ...(lines.length > 0
      ? ["", `${gaps.title} (points)`, table([gaps.columns.map(({ title }) => title), ...lines])]
      : []),
  ].join("\n");
}
