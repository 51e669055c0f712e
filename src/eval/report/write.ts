import { takeFolder } from "../../train/disk/aside.ts";
import { figuresOf } from "./figures/index.ts";
import { htmlOf } from "./html.ts";
import { markdownReport } from "./markdown.ts";
import { OutputFolder } from "./output.ts";
import type { Report, TaskReport } from "./report.ts";
import { csvOf, type Table } from "./table.ts";
import { tablesOf } from "./tables.ts";

const FIGURES = "figures";

/**
 * Writes report.html, report.md, report.json, a CSV a table and figures/ with an SVG and a PNG each into a folder, over
 * an earlier report. Gives their names. Throws `bad-argument` where that cannot be written or holds other things,
 * `no-memory` where the disk is full.
 */
export async function writeReport(report: Report, folder: string): Promise<string[]> {
  await takeFolder(folder, /^report\.json$/, "a report");
  const output = await OutputFolder.open(folder, FIGURES);
  const slugs = slugsOf(report.tasks.map(({ spec }) => spec));
  const fileOf = ({ spec }: TaskReport, figure: string) => `${FIGURES}/${slugs.get(spec)}.${figure}`;
  await output.write("report.json", `${JSON.stringify(report, null, 1)}\n`);
  await output.write(
    "report.md",
    markdownReport(report, (task, figure) => `${fileOf(task, figure)}.svg`),
  );
  await output.write("report.html", htmlOf(report));
  for (const [name, parts] of byName(report.tasks)) await output.write(`${name}.csv`, csvOf(parts));
  for (const task of report.tasks)
    for (const figure of figuresOf(task)) await output.draw(fileOf(task, figure.name), figure);
  return output.files;
}

function byName(tasks: readonly TaskReport[]): Map<string, { task: string; table: Table }[]> {
  const all = tasks.flatMap((task) => tablesOf(task).map((table) => ({ task: task.spec, table })));
  return Map.groupBy(all, ({ table }) => table.name);
}

/** A name of a file for each spec, which may be any text: plain characters, not too many, each once. */
export function slugsOf(specs: readonly string[]): Map<string, string> {
  const slugs = new Map<string, string>();
  const used = new Set<string>();
  for (const spec of specs) {
    const plain =
      spec
        .toLowerCase()
        .replace(/[^a-z0-9]+/g, "-")
        .slice(0, 60)
        .replace(/^-|-$/g, "") || "task";
    let slug = plain;
    for (let n = 2; used.has(slug); n++) slug = `${plain}-${n}`;
    used.add(slug);
    slugs.set(spec, slug);
  }
  return slugs;
}
