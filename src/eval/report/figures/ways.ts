// Width, depth and mixed at equal KV reads: a panel for each line and size of the cache.

import { budgetName } from "../../../scale/budget.ts";
import { accuracyName } from "../columns.ts";
import { logAxis, percentAxis } from "../draw/axis.ts";
import type { Figure } from "../draw/figure.ts";
import type { Mark, Panel, Path } from "../draw/panel.ts";
import { styleOf } from "../draw/style.ts";
import type { EqualCost } from "../equal-cost.ts";
import type { TaskReport } from "../report.ts";
import { compact } from "../table.ts";
import { AXIS_TITLES } from "./frontier.ts";
import { percent } from "./styles.ts";

const WIDTH = { ...styleOf(0), marker: 0 };
const DEPTH = { ...styleOf(1), marker: 3, dash: "5 3" };
const MOST_PANELS = 12;

/** null where no line was run at several lengths. */
export function waysFigure(task: TaskReport): Figure | null {
  const planes = task.equalCosts.filter(({ budget }) => budget === "reads");
  if (planes.length === 0) return null;
  const shown = planes.slice(0, MOST_PANELS);
  const name = accuracyName(task.kind, "w");
  const points = shown.flatMap(({ ways, mixed }) => [...ways.flatMap((way) => way.points), ...mixed.curve]);
  const x = logAxis(
    "KV reads a problem",
    "number",
    points.map(({ cost }) => cost),
  );
  const y = percentAxis(
    `${name} (%)`,
    points.map(({ accuracy }) => accuracy),
  );
  const left = planes.length - shown.length;
  return {
    name: "width-depth",
    caption: `${name} against ${AXIS_TITLES.reads}. Width: more chains of one length; depth: one chain, longer; mixed: the best of both at each budget. Labels: most tokens, chains.${left > 0 ? ` The first ${shown.length} of ${planes.length} pairs of method and size.` : ""}`,
    legend: [
      { name: "width: more chains of one length", style: WIDTH },
      { name: "depth: one chain, longer", style: DEPTH },
      { name: "mixed: the best of both", style: WIDTH, broad: true },
    ],
    columns: shown.length === 4 ? 2 : 3,
    plot: { width: 220, height: 180 },
    panels: shown.map((plane): Panel => ({ title: titleOf(plane), x, y, ...drawn(plane, task) })),
  };
}

const titleOf = ({ line, size }: EqualCost): string => (size === "" ? line : `${line}, ${size}`);

function drawn({ ways, mixed }: EqualCost, { kind, settings }: TaskReport): Pick<Panel, "paths" | "marks"> {
  const byId = new Map(settings.map((setting) => [setting.id, setting]));
  const paths = ways.map((way): Path => {
    const points = [...way.points].sort((a, b) => a.cost - b.cost);
    return {
      style: way.kind === "depth" ? DEPTH : WIDTH,
      points: points.map(({ cost, accuracy }) => [cost, accuracy]),
    };
  });
  const seen = new Set<string>(); // one chain is a point of width too: depth's mark lies above
  const marks = [...ways].reverse().flatMap((way) =>
    way.points.flatMap(({ setting: id, width, cost, accuracy }): Mark[] => {
      const setting = byId.get(id)!;
      const run = budgetName({ ...setting, width });
      if (seen.has(`${id} ${width}`)) return [];
      seen.add(`${id} ${width}`);
      const interval = setting.widths.find((each) => each.width === width)!.accuracy;
      return [
        {
          style: way.kind === "depth" ? DEPTH : WIDTH,
          x: cost,
          y: accuracy,
          label: run.slice(0, run.lastIndexOf("-")),
          tip: [
            `${setting.line}  ${run}`,
            `${accuracyName(kind, width)}: ${percent(interval)}`,
            `KV reads: ${compact(cost)}; measured in ${id}`,
          ],
        },
      ];
    }),
  );
  const broad: Path = {
    style: WIDTH,
    kind: "broad",
    points: mixed.curve.map(({ cost, accuracy }) => [cost, accuracy]),
  };
  return { paths: [broad, ...paths], marks };
}
