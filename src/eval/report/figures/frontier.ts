// Accuracy for a budget: every point that was measured, and the best of each line.

import type { Budget } from "../../metrics/cost.ts";
import { accuracyName } from "../columns.ts";
import { logAxis, percentAxis } from "../draw/axis.ts";
import type { Figure } from "../draw/figure.ts";
import type { Mark, Path } from "../draw/panel.ts";
import { runOf } from "../lines.ts";
import type { TaskReport } from "../report.ts";
import { told } from "../table.ts";
import { legendOf, percent, stylesOf } from "./styles.ts";

export const AXIS_TITLES: Record<Budget, string> = {
  reads: "KV reads a problem, mean over layers and heads",
  tokens: "tokens drawn a problem",
  peakKeys: "peak keys, mean over layers and heads",
  peakBytes: "peak bytes of the cache",
};

/** Intervals of more points than these hide each other. */
const MOST_INTERVALS = 30;

/** null where no line has this budget. */
export function frontierFigure(task: TaskReport, budget: Budget): Figure | null {
  const frontiers = task.frontiers.filter((frontier) => frontier.budget === budget);
  if (frontiers.length === 0) return null;
  const styles = stylesOf(task);
  const shown = new Set(frontiers.map(({ line }) => line));
  const best = new Set(
    frontiers.flatMap(({ steps }) => steps.map(({ setting, width }) => JSON.stringify([setting, width]))),
  );
  const name = accuracyName(task.kind, "w");
  const marks = task.settings
    .filter(({ line }) => shown.has(line))
    .flatMap((setting) =>
      setting.widths.map(({ width, accuracy, costs }): Mark => {
        const isBest = best.has(JSON.stringify([setting.id, width]));
        const run = runOf(setting, width);
        return {
          style: styles.get(setting.line)!,
          x: costs[budget].mean,
          y: accuracy.mean,
          interval: isBest && best.size <= MOST_INTERVALS ? accuracy : undefined,
          faint: !isBest,
          label: isBest ? run : undefined,
          tip: [
            `${setting.line}  ${run}`,
            `${name.replace("w", String(width))}: ${percent(accuracy)}`,
            `${AXIS_TITLES[budget].split(",")[0]}: ${told(costs[budget], budget === "peakBytes" ? "bytes" : "number")}`,
            `achieved CR ${setting.achieved.mean.toFixed(2)}; measured in ${setting.id}`,
          ],
        };
      }),
    );
  const paths = frontiers.flatMap(({ line, steps, upTo }): Path[] => {
    const style = styles.get(line)!;
    const last = steps.at(-1)!;
    return [
      { style, points: steps.map(({ cost, accuracy }) => [cost, accuracy]) },
      {
        style,
        kind: "level",
        points: [
          [last.cost, last.accuracy],
          [upTo, last.accuracy],
        ],
      },
    ];
  });
  const ys = marks.flatMap(({ y, interval }) => (interval ? [y, interval.low, interval.high] : [y]));
  return {
    name: `frontier-${budget}`,
    caption: `${name} against ${AXIS_TITLES[budget]}: lines join what no cheaper point of a method beats; pale points are the others. Labels: most tokens, chains, compression ratio asked for. Bars: 95% intervals.`,
    legend: legendOf(styles).filter((entry) => shown.has(entry.name)),
    columns: 1,
    plot: { width: 340, height: 230 },
    panels: [
      {
        x: logAxis(
          AXIS_TITLES[budget],
          budget === "peakBytes" ? "bytes" : "number",
          marks.map(({ x }) => x),
        ),
        y: percentAxis(`${name} (%)`, ys),
        paths,
        marks,
      },
    ],
  };
}
