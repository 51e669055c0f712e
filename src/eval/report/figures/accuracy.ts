// Settings beside each other: the mean score of their chains with its interval, best first of each length and width.

import { accuracyName, averageName } from "../columns.ts";
import { linearAxis, percentAxis } from "../draw/axis.ts";
import type { RowFigure } from "../draw/rows.ts";
import type { TaskReport } from "../report.ts";
import { told } from "../table.ts";
import { percent, stylesOf } from "./styles.ts";

/** null where there is nothing beside each other. */
export function accuracyFigure(task: TaskReport): RowFigure | null {
  const rows = task.settings.filter(({ average }) => Number.isFinite(average.high)); // a text that failed has none
  if (rows.length < 2) return null;
  const styles = stylesOf(task);
  const name = averageName(task);
  const better = task.measure ? -1 : 1;
  const isVote = task.kind !== "value";
  const ends = rows.flatMap(({ average }) => [average.low, average.high]);
  const tell = (interval: (typeof rows)[0]["average"]) =>
    task.measure ? told(interval, "precise") : percent(interval);
  return {
    name: "accuracy",
    caption: `${name} of each setting with its 95% interval, best first within a length and width; the compression that was achieved${isVote ? `, and ${accuracyName(task.kind, "W")} of all chains` : ""}.`,
    x: task.measure ? linearAxis(name, "number", ends) : percentAxis(`${name} (%)`, ends),
    headings: ["CR", ...(isVote ? [`${accuracyName(task.kind, "W")} %`] : [])],
    rows: rows
      .toSorted((a, b) => a.length - b.length || a.width - b.width || better * (b.average.mean - a.average.mean))
      .map(({ id, line, average, achieved, widths }) => {
        const { mean, low, high } = average;
        return {
          name: id,
          style: styles.get(line)!,
          span: { low, from: mean, middle: mean, to: mean, high },
          cells: [told(achieved.mean, "ratio"), ...(isVote ? [told(widths.at(-1)!.accuracy.mean, "share")] : [])],
          tip: [id, `${name}: ${tell(average)}`, `achieved CR ${told(achieved, "ratio")}`],
        };
      }),
  };
}
