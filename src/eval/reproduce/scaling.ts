// Width, depth and both at equal cost, for the full cache and for dms; and frontiers of all methods.

import type { Budget } from "../metrics/cost.ts";
import type { Interval } from "../metrics/interval.ts";
import { BUDGET_NAMES, column } from "../report/columns.ts";
import { equalReads, meanGaps } from "../report/compare-tables.ts";
import { frontierFigure } from "../report/figures/frontier.ts";
import { ratioFigure } from "../report/figures/ratio.ts";
import { waysFigure } from "../report/figures/ways.ts";
import { FULL } from "../report/lines.ts";
import { readRecord } from "../report/read.ts";
import { makeReport, type Report, type TaskReport } from "../report/report.ts";
import { type Cell, type Table, told } from "../report/table.ts";
import { ROOM } from "./plan.ts";
import { LEFT_OUT, unrunRemarks } from "./rivals.ts";
import { drawn, notesOf, resultOf, type Section } from "./section.ts";
import { type Claim, claimOf } from "./sentences.ts";

/** Aims for the mean gap on reads. */
const AIMS = { width: 0.06, depth: 0.12 };
const SHOWN: readonly Budget[] = ["reads", "peakKeys", "peakBytes"];
const DMS = "dms";

/** The mean gap of dms's frontier less another's; null: there is none. */
const gapOf = ({ gaps }: TaskReport, budget: Budget, from = FULL): Interval | null =>
  gaps.find((each) => each.budget === budget && each.from === from && each.to === DMS)?.gap ?? null;

const gapClaims = (task: TaskReport, how: string, aim: number): Claim[] =>
  SHOWN.map((budget) =>
    claimOf(
      `hyper-scaling with dms beats the full cache at equal ${BUDGET_NAMES[budget]} (${how})`,
      "mean gap of dms's frontier less the full cache's",
      gapOf(task, budget),
      budget === "reads" ? aim : undefined,
    ),
  );

/** Share of a setting's chains whose thinking was cut at its limit. */
export interface Cut {
  setting: string;
  length: number;
  share: number;
}

/** `base`: folders of full and dms at the longest length; `shorter`: at others; `nudged`: with a nudge, and without. */
export async function scalingSection(
  base: readonly string[],
  shorter: readonly string[],
  nudged: readonly string[],
): Promise<Section> {
  const wide = await makeReport(base);
  const all = shorter.length > 0 ? await makeReport([...base, ...shorter]) : null;
  const more = nudged.length > 0 ? await makeReport([base[0], ...nudged]) : null;
  return scalingOf({ wide, all, more, cuts: await cutsOf([...base, ...shorter]) });
}

export interface ScalingReports {
  wide: Report; // the longest chains, by width
  all: Report | null; // of all lengths
  more: Report | null; // with nudges
  cuts: readonly Cut[];
}

export function scalingOf({ wide, all, more, cuts }: ScalingReports): Section {
  const [task] = (all ?? wide).tasks;
  const depths = task.equalCosts.filter(({ budget }) => budget === "reads");
  const longest = all ? gapClaims(task, "width and depth", AIMS.depth) : [];
  return {
    name: "scaling",
    title: "Width, depth and both at equal cost",
    about: `Chains are cut at lengths, with ${ROOM} tokens left to answer in; of each run of W chains, w of them are what a narrower run would have been; dms has runs of 2 W chains at the longest length, so that budgets are in common. Retrofits for all ratios are one line, dms.`,
    claims: [
      ...gapClaims(wide.tasks[0], "width alone", AIMS.width),
      ...longest,
      ...depths.map(({ line, size, depthOverWidth }) =>
        claimOf(
          `depth beats width at equal KV reads: ${[line, size].join(" ").trim()}`,
          "one chain, longer, less more chains of the shortest length",
          depthOverWidth,
        ),
      ),
    ],
    remarks: [...cutRemarks(cuts), ...nudgeRemarks(more), ...notesOf(all ?? wide)],
    tables: [
      meanGaps(task),
      ...(all ? [equalReads(task)] : []),
      ...(cuts.length > 0 ? [cutsTable(cuts)] : []),
      ...(more ? [nudgeTable(more)] : []),
    ].filter(({ rows }) => rows.length > 0),
    figures: drawn([...SHOWN.map((budget) => frontierFigure(task, budget)), all && waysFigure(task)]),
    report: all ?? wide,
  };
}

async function cutsOf(folders: readonly string[]): Promise<Cut[]> {
  const cuts: Cut[] = [];
  for (const folder of folders) {
    const { head, chains } = await readRecord(folder);
    for (const { id, length } of head.settings) {
      const rows = [...chains.values()].flatMap((of) => of.get(id) ?? []);
      const cut = rows.filter(({ tokens }) => tokens >= length - ROOM).length;
      if (rows.length > 0) cuts.push({ setting: id, length, share: cut / rows.length });
    }
  }
  return cuts.sort((a, b) => a.length - b.length);
}

/** A limit that few chains reach has nothing more to give. */
const FEW = 0.05;

function cutRemarks(cuts: readonly Cut[]): string[] {
  const most = cuts.at(-1)?.length;
  return cuts
    .filter(({ length }) => length === most)
    .map(({ setting, length, share }) => {
      const reached = `${told(share, "share")}% of the chains of ${setting} think up to their limit at ${length} tokens`;
      return share <= FEW
        ? `${reached}: the others end by themselves, so that a higher limit would change nothing for them.`
        : `${reached}: a higher limit could change what these say.`;
    });
}

const cutsTable = (cuts: readonly Cut[]): Table => ({
  name: "cuts",
  title: "Chains whose thinking was cut at the limit",
  about: "",
  columns: [
    column("setting", "setting", "text"),
    column("length", "most tokens", "count"),
    column("cut", "cut", "share"),
  ],
  rows: cuts.map(({ setting, length, share }) => [setting, length, share]),
});

/** Settings whose thinking was extended, with what they are the extension of. */
function nudges({ tasks: [task] }: Report) {
  return task.settings.flatMap((after) => {
    const before = after.id.endsWith(NUDGED) ? resultOf(task, after.id.slice(0, -NUDGED.length)) : undefined;
    return before ? [{ before, after }] : [];
  });
}
const NUDGED = ", nudged";

function nudgeRemarks(report: Report | null): string[] {
  return (report ? nudges(report) : []).map(({ before, after }) => {
    const [a, b] = [before.average, after.average];
    const apart = b.low > a.high ? "more" : b.high < a.low ? "less" : "neither surely more nor less";
    const longer = after.tokens.mean.mean / Math.max(1, before.tokens.mean.mean);
    return `One nudge instead of the first end of the thinking makes chains of ${before.id} ${longer.toFixed(2)} times as long; of them ${told(b, "share")}% are right, ${apart} than the ${told(a, "share")}% without.`;
  });
}

const nudgeTable = (report: Report): Table => ({
  name: "nudges",
  title: "Thinking extended by a nudge",
  about: "",
  columns: [
    column("setting", "setting", "text"),
    column("tokens", "tokens a chain", "number", true),
    column("reads", "KV reads of all chains", "number", true),
    column("average", "avg@1", "share", true),
    column("vote", "vote of all", "share", true),
  ],
  rows: nudges(report).flatMap(({ before, after }) =>
    [before, after].map(({ id, tokens, widths, average }): Cell[] => [
      ...[id, tokens.mean, widths.at(-1)!.costs.reads, average, widths.at(-1)!.accuracy],
    ]),
  ),
});

/** All methods at three ratios. Two reports of the same folders: gaps to the full cache, and from dms to each rival. */
export async function frontiersSection(folders: readonly string[], baseline: string): Promise<Section> {
  return frontiersOf(await makeReport(folders), await makeReport(folders, { baseline }));
}

export function frontiersOf(report: Report, fromDms: Report): Section {
  const [task] = report.tasks;
  const rivals = fromDms.tasks[0].gaps.filter(({ from, to }) => from === DMS && to !== FULL);
  const claims = rivals
    .filter(({ budget }) => SHOWN.includes(budget))
    .map(({ budget, to, gap }) =>
      claimOf(
        `dms beats ${to} at equal ${BUDGET_NAMES[budget]}`,
        `mean gap of dms's frontier less that of ${to}`,
        gap && { mean: -gap.mean, low: -gap.high, high: -gap.low },
      ),
    );
  return {
    name: "frontiers",
    title: "Frontiers of all methods",
    about: "Each at three compression ratios, those of the retrofits, and all widths.",
    claims: [...gapClaims(task, "width alone, three ratios", AIMS.width), ...claims],
    remarks: [...unrunRemarks(LEFT_OUT), ...notesOf(report)],
    tables: [meanGaps(task)],
    figures: drawn([
      ...SHOWN.map((budget) => frontierFigure(task, budget)),
      ratioFigure(task, "chain"),
      ratioFigure(task, "vote"),
    ]),
    report,
  };
}
