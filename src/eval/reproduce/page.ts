// The page of results: what was run, what each experiment shows, and whether each claim holds, from the records alone.

import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { accuracyFigure } from "../report/figures/accuracy.ts";
import { ratioFigure } from "../report/figures/ratio.ts";
import { OutputFolder } from "../report/output.ts";
import { readRecord } from "../report/read.ts";
import { makeReport } from "../report/report.ts";
import { markdownOf, markdownText } from "../report/table.ts";
import { tablesOf } from "../report/tables.ts";
import { writeReport } from "../report/write.ts";
import { evictionSection, methodsSection } from "./methods.ts";
import type { Needles } from "./needles.ts";
import { dmsName, gatedModel, groupName, longest, RATIO, RATIOS, ratiosOf, type Shape } from "./plan.ts";
import { frontiersSection, scalingSection } from "./scaling.ts";
import { drawn, notesOf, type Section } from "./section.ts";
import type { Claim } from "./sentences.ts";
import type { State } from "./state.ts";

export interface Page {
  claims: (Claim & { section: string })[];
}

export interface Facts {
  shape: Shape;
  state: State;
  needles: Needles | null;
  command: string;
  seed: number;
  calibrationSeed: number;
}

const FOLDER = "results";

/** Writes results.md, results/ with its figures, and report/ with all numbers of each experiment. */
export async function writeResults(out: string, facts: Facts): Promise<Page & { files: string[] }> {
  const sections = await sectionsOf(out, facts);
  const output = await OutputFolder.open(out, FOLDER);
  for (const { name, figures, report } of sections) {
    for (const figure of figures) await output.draw(figureFile(name, figure.name), figure);
    await writeReport(report, join(out, "report", name));
  }
  const { head } = await readRecord(join(out, "runs", "full"));
  const [cpu] = cpus();
  const { device, isa, dtype } = head.machine;
  const machine = `${availableParallelism()} cores of ${cpu?.model.trim() ?? "an unknown processor"}; ${device}, ${isa}, ${dtype}`;
  await output.write(
    "results.md",
    pageOf(sections, { ...facts, machine, date: new Date().toISOString().slice(0, 10) }),
  );
  const claims = sections.flatMap(({ name, claims }) => claims.map((each) => ({ ...each, section: name })));
  return { claims, files: output.files };
}

async function sectionsOf(out: string, { shape, state, needles }: Facts): Promise<Section[]> {
  const { only, full } = shape;
  const runs = (...names: string[]) => names.map((name) => join(out, "runs", name));
  const own = runs("full", `dms-${RATIO}x`);
  const sections: Section[] = [];
  if (only.includes("methods") && Object.keys(state.groups.methods?.found ?? {}).length > 0)
    sections.push(await methodsSection([...own, ...runs("methods")], state.groups.methods, longest(shape)));
  if (only.includes("eviction"))
    sections.push(await evictionSection([...own, ...runs("eviction")], state.groups.eviction));
  if (only.includes("scaling")) {
    const shorter = shape.lengths.length > 1 ? runs("scaling") : [];
    sections.push(await scalingSection(runs("full", "wide"), shorter, runs(`dms-${RATIO}x`, "nudged")));
  }
  if (full) {
    const groups = RATIOS.map(groupName).filter((name) => Object.keys(state.groups[name]?.found ?? {}).length > 0);
    sections.push(
      await frontiersSection(runs("full", ...RATIOS.map((ratio) => `dms-${ratio}x`), ...groups), dmsName(RATIO)),
    );
  }
  if (needles && needles.folders.length > 0) sections.push(await needleSection(out, needles));
  return sections;
}

async function needleSection(out: string, { folders, unrun }: Needles): Promise<Section> {
  const report = await makeReport(folders.map((folder) => join(out, folder)));
  const [task] = report.tasks;
  return {
    name: "needles",
    title: "Needles at 2k to 4k tokens, SmolLM2-135M",
    about: "One number hidden in noise, at four lengths and four depths; one greedy chain each.",
    claims: [],
    remarks: [...unrun, ...notesOf(report)],
    tables: tablesOf(task).filter(({ name }) => name === "accuracy"),
    figures: drawn([ratioFigure(task, "chain"), accuracyFigure(task)]),
    report,
  };
}

const figureFile = (section: string, figure: string): string => `${FOLDER}/${section}-${figure}`;

export interface Told extends Facts {
  machine: string;
  date: string;
}

/** The page as Markdown. */
export function pageOf(sections: readonly Section[], facts: Told): string {
  const { shape, state, needles, command, machine, date, seed, calibrationSeed } = facts;
  const { problems, width, lengths } = shape;
  const unrun = needles && needles.folders.length === 0 ? needles.unrun : [];
  const chains = sections.reduce((sum, { report }) => sum + Number(report.tasks.length > 0), 0);
  const parts = [
    "# Results",
    `The small counterpart of the experiments of arXiv 2506.05345, on the models that are shipped: abacus, and its retrofits ${ratiosOf(shape).map(gatedModel).join(", ")}. Written by \`hyperthink reproduce\`; metrics.md says what each number is. Intervals are 95%, by problem; differences are paired.`,
    list([
      ...(command === "" ? [] : [`Command: \`${command.replaceAll("`", "'")}\``]),
      `Machine: ${markdownText(machine)}`,
      `Date: ${date}; ${(state.seconds / 60).toFixed(1)} minutes of runs, calibration included`,
      `${problems} problems of the task abacus (seed ${seed}) x ${width} chains, at most ${lengths.at(-1)} new tokens, unless a table says otherwise; thinking is cut so that each chain answers`,
      `Calibrated on ${state.of.calibration} other problems (seed ${calibrationSeed})`,
      ...unrun.map(markdownText),
    ]),
    ...(chains > 0 ? ["## Findings", findings(sections)] : []),
    ...sections.flatMap(sectionText),
  ];
  return `${parts.join("\n\n")}\n`;
}

const list = (items: readonly string[]): string => items.map((item) => `- ${item}`).join("\n");

const findings = (sections: readonly Section[]): string =>
  [
    "| claim | here | numbers |",
    "| --- | --- | --- |",
    ...sections.flatMap(({ claims }) =>
      claims.map(({ claim, verdict, finding }) => `| ${[claim, verdict, finding].map(markdownText).join(" | ")} |`),
    ),
  ].join("\n");

function sectionText({ name, title, about, claims, remarks, tables, figures }: Section): string[] {
  return [
    `## ${markdownText(title)}`,
    markdownText(about),
    ...(claims.length > 0
      ? [
          list(
            claims.map(
              ({ claim, verdict, finding }) =>
                `**${verdict}**: ${markdownText(claim)}. ${markdownText(capital(finding))}`,
            ),
          ),
        ]
      : []),
    ...(remarks.length > 0 ? [list(remarks.map(markdownText))] : []),
    ...tables.flatMap((table) => [
      ...(table.title === title ? [] : [`### ${markdownText(table.title)}`]),
      ...(table.about === "" ? [] : [markdownText(table.about)]),
      markdownOf(table),
    ]),
    ...figures.map(
      (figure) =>
        `![${markdownText(figure.name)}](${figureFile(name, figure.name)}.svg)\n\n*${markdownText(figure.caption)}*`,
    ),
  ];
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
