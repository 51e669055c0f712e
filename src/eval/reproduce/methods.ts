// Methods at one achieved compression ratio; and gates that evict later, or at once.

import { column } from "../report/columns.ts";
import { accuracyFigure } from "../report/figures/accuracy.ts";
import type { SettingResult } from "../report/measure.ts";
import { makeReport, type Report } from "../report/report.ts";
import { type Cell, type Table, told } from "../report/table.ts";
import { dmsName, EVICTION, RATIO } from "./plan.ts";
import { LEFT_OUT, rivalsOf, unrunRemarks } from "./rivals.ts";
import { drawn, notesOf, resultOf, type Section } from "./section.ts";
import { type Claim, claimOf, claimOfAll, points, reversed } from "./sentences.ts";
import type { CalibratedGroup } from "./state.ts";

/** How far achieved ratios may lie apart to be called equal: on other problems a calibrated one moves a little. */
const EQUAL = 0.1;
/** By which dms is to beat what needs no training. */
const AIM = 0.1;
const BASE = dmsName(RATIO);

const achievedOf = ({ tasks: [task] }: Report, id: string): number => resultOf(task, id)?.achieved.mean ?? 1;
const isEqual = (report: Report, { achieved }: SettingResult): boolean =>
  Math.abs(achieved.mean / achievedOf(report, BASE) - 1) <= EQUAL;

/** `folders`: of full, dms and the rivals. */
export async function methodsSection(
  folders: readonly string[],
  group: CalibratedGroup,
  length: number,
): Promise<Section> {
  return methodsOf(await makeReport(folders, { baseline: BASE }), group, length);
}

export function methodsOf(report: Report, group: CalibratedGroup, length: number): Section {
  const [task] = report.tasks;
  const rivals = rivalsOf(length, 1);
  const gated = new Set(rivals.filter(({ gated }) => gated).map(({ name }) => name));
  const others = task.settings.filter(({ id, difference }) => group.found[id] && difference);
  const equal = others.filter((each) => isEqual(report, each));
  const free = equal.filter(({ id }) => !gated.has(id));
  const gains = (some: readonly SettingResult[], of: "average" | "accuracy") =>
    some.map(({ id, difference }) => ({ name: id, gain: reversed(difference![of]) }));
  const w = others[0]?.difference?.width ?? 1;
  const claim = "dms beats every method without training at an equal compression ratio";
  const claims: Claim[] = [
    claimOfAll(`${claim} (avg@1)`, gains(free, "average"), AIM),
    ...(w > 1 ? [claimOfAll(`${claim} (maj@${w})`, gains(free, "accuracy"), AIM)] : []),
  ];
  const uneven = others.filter((each) => !equal.includes(each));
  return {
    name: "methods",
    title: "Methods at one achieved compression ratio",
    about: `Each method's budget was calibrated on other problems, so that it achieves there what ${BASE} does, ${group.target.toFixed(2)} (what the full cache would have read over what was read). Equal is called what lies within ${100 * EQUAL}% of ${BASE} on the reported problems, ${achievedOf(report, BASE).toFixed(2)}.`,
    claims,
    remarks: [
      ...lengthRemark(others, resultOf(task, BASE)),
      ...uneven.map((each) => unevenRemark(report, each)),
      ...Object.entries(group.failed).map(([name, why]) => `${name} was not run: ${why}.`),
      ...unrunRemarks(LEFT_OUT),
      ...notesOf(report),
    ],
    tables: [methodsTable(report, group, new Map(rivals.map(({ name, note }) => [name, note])))],
    figures: drawn([accuracyFigure(task)]),
    report,
  };
}

/** Keys that a chain reads for a token, a mean over its layers, heads and steps. */
const keysOf = ({ widths, tokens }: SettingResult): number => {
  const { width, costs } = widths.at(-1)!;
  return costs.reads.mean / Math.max(1, width * tokens.mean.mean);
};

/** A ratio of long chains is no ratio of short ones. */
function lengthRemark(others: readonly SettingResult[], dms: SettingResult | undefined): string[] {
  if (!dms) return [];
  const longer = others.filter(({ tokens }) => tokens.mean.low > dms.tokens.mean.high);
  if (longer.length === 0) return [];
  const most = longer.reduce((a, b) => (b.tokens.mean.mean > a.tokens.mean.mean ? b : a));
  const times = most.tokens.mean.mean / Math.max(1, dms.tokens.mean.mean);
  return [
    `Chains of ${longer.length} of ${others.length} methods are surely longer than those of ${BASE}, up to ${times.toFixed(1)} times (${most.id}, which reads ${told(keysOf(most), "number")} keys a token, ${BASE} ${told(keysOf(dms), "number")}): the longer a chain, the more a fixed budget compresses it.`,
  ];
}

function unevenRemark(report: Report, { id, achieved, difference }: SettingResult): string {
  const of = achievedOf(report, BASE);
  const side = achieved.mean < of ? "keeps more than dms" : "keeps less than dms";
  return `${id} achieves ${told(achieved.mean, "ratio")}, not ${of.toFixed(2)}: it ${side}, and is left out of the claim. There dms less it is ${points(reversed(difference!.average))} of avg@1.`;
}

function methodsTable(report: Report, group: CalibratedGroup, notes: ReadonlyMap<string, string>): Table {
  const [task] = report.tasks;
  const width = task.settings[0]?.width ?? 1;
  const rows = task.settings.toSorted((a, b) => b.average.mean - a.average.mean);
  return {
    name: "methods",
    title: "Methods",
    about: "",
    columns: [
      column("method", "method", "text"),
      column("policy", "policy", "text"),
      column("cr", "achieved CR", "ratio", true),
      column("average", "avg@1", "share", true),
      column("vote", `maj@${width}`, "share", true),
      column("tokens", "tokens a chain", "number"),
      column("keys", "keys read a token", "number"),
      column("less_average", "dms less it, avg@1", "gain", true),
      column("less_vote", `dms less it, maj@${width}`, "gain", true),
      column("note", "", "text"),
    ],
    rows: rows.map((each): Cell[] => {
      const { id, policy, achieved, average, widths, tokens, difference } = each;
      const found = group.found[id];
      const why = [
        ...(found && !isEqual(report, each) ? ["not at an equal ratio"] : []),
        ...(found && !found.reached ? [`nearest that calibration found, ${found.cr.toFixed(2)}`] : []),
        ...(notes.get(id) ? [notes.get(id)!] : []),
      ];
      return [
        ...[id, policy, achieved, average, widths.at(-1)!.accuracy, tokens.mean.mean, keysOf(each)],
        difference && reversed(difference.average),
        difference && reversed(difference.accuracy),
        why.join("; "),
      ];
    }),
  };
}

const isTrained = (id: string): boolean => id === EVICTION.immediate || id === EVICTION.immediateEqual;

/** `folders`: of full, dms and what evicts at once. */
export async function evictionSection(
  folders: readonly string[],
  group: CalibratedGroup | undefined,
): Promise<Section> {
  return evictionOf(await makeReport(folders, { baseline: BASE, lines: "model" }), group);
}

export function evictionOf(report: Report, group: CalibratedGroup | undefined): Section {
  const [task] = report.tasks;
  const claims = Object.values(EVICTION).flatMap((id) => {
    const found = resultOf(task, id);
    if (!found?.difference) return [];
    const ratios = `achieved CR ${told(achievedOf(report, BASE), "ratio")} and ${told(found.achieved.mean, "ratio")}`;
    const even = isEqual(report, found) ? "at an equal ratio" : "at unequal ratios";
    // Gates that were trained for a window and lose it say little of gates that were trained without one.
    const what = isTrained(id)
      ? "eviction after a window beats eviction at once, each as it was trained"
      : "gates that were trained for a window do better with it than without";
    return claimOf(
      `${what}, ${even} (${id})`,
      `avg@1 of ${BASE} less ${id}, ${ratios}`,
      reversed(found.difference.average),
    );
  });
  const trained = resultOf(task, EVICTION.immediate);
  return {
    name: "eviction",
    title: "Eviction after a window against eviction at once",
    about: `${BASE} was trained to evict a key 16 tokens after it came. Window 0 has the same gates evict at once; where the threshold was moved, so far that the compression ratio of the calibration's problems was equal.`,
    claims,
    remarks: [
      ...(trained
        ? []
        : [
            "No retrofit that was trained to evict at once was given (--immediate): what training for it gains is not measured.",
          ]),
      ...Object.entries(group?.found ?? {}).flatMap(([name, { reached, cr }]) =>
        reached
          ? []
          : [
              `${name}: no threshold achieved the ratio on the calibration's problems; the nearest was ${cr.toFixed(2)}.`,
            ],
      ),
      ...Object.entries(group?.failed ?? {}).map(([name, why]) => `${name} was not run: ${why}.`),
      ...notesOf(report),
    ],
    tables: [methodsTable(report, group ?? { target: 1, found: {}, failed: {} }, new Map())],
    figures: drawn([accuracyFigure(task)]),
    report,
  };
}
