// Accuracy over the compression that was achieved: a panel for each length and width, a line for each method.

import { accuracyName, averageName, lengthName } from "../columns.ts";
import { linearAxis, logAxis, percentAxis } from "../draw/axis.ts";
import type { Figure } from "../draw/figure.ts";
import type { Mark, Panel, Path } from "../draw/panel.ts";
import { FULL_STYLE, type Style } from "../draw/style.ts";
import type { SettingResult } from "../measure.ts";
import type { TaskReport } from "../report.ts";
import { told } from "../table.ts";
import { legendOf, percent, stylesOf } from "./styles.ts";

const MOST_PANELS = 9;

/** null where nothing was compressed. `of`: of one chain (avg@1), or of the vote of all. */
export function ratioFigure(task: TaskReport, of: "chain" | "vote"): Figure | null {
  const finite = task.settings.filter(({ average }) => Number.isFinite(average.high)); // a text that failed has none
  // What has no chains has neither length nor width.
  const titleOf = ({ length, width }: SettingResult) =>
    task.kind === "value" ? "" : `${lengthName(length)} tokens${of === "vote" ? `, ${width} chains` : ""}`;
  const runs = Map.groupBy(finite, titleOf);
  const groups = [...runs.values()].filter((some) => some.some(({ achieved }) => achieved.mean > 1.05));
  const votes = of === "chain" || groups.some((some) => some[0].width > 1);
  if (groups.length === 0 || !votes) return null;
  const shown = groups.slice(0, MOST_PANELS);
  const styles = stylesOf(task);
  const measured: Measured = {
    name: of === "chain" ? averageName(task) : accuracyName(task.kind, "W"),
    of: ({ average, widths }) => (of === "chain" ? average : widths.at(-1)!.accuracy),
    tell: (interval) => (task.measure ? told(interval, "precise") : percent(interval)),
  };
  const { name } = measured;
  const settings = shown.flat();
  const x = logAxis(
    "achieved CR (4 = 4x fewer reads)",
    "ratio",
    settings.map(({ achieved }) => achieved.mean),
  );
  const ends = settings.flatMap((setting) => [measured.of(setting).low, measured.of(setting).high]);
  const y = task.measure ? linearAxis(name, "number", ends) : percentAxis(`${name} (%)`, ends);
  const left = groups.length - shown.length;
  return {
    name: of === "chain" ? "ratio" : "ratio-vote",
    caption: `${name} against the compression achieved while decoding, by method${task.kind === "value" ? "" : `, for each ${of === "chain" ? "length" : "length and width"}`}. Dotted: the full cache. Bars: 95% intervals.${left > 0 ? ` The first ${shown.length} of ${groups.length}.` : ""}`,
    legend: legendOf(styles).filter((entry) => settings.some(({ line }) => line === entry.name)),
    columns: Math.min(3, shown.length),
    plot: shown.length === 1 ? { width: 340, height: 230 } : { width: 220, height: 180 },
    panels: shown.map((some): Panel => {
      const title = titleOf(some[0]) || undefined;
      return { title, x, y, ...drawn(some, styles, measured, x.to) };
    }),
  };
}

/** What stands on the upright axis. */
interface Measured {
  name: string;
  of(setting: SettingResult): SettingResult["average"];
  tell(interval: SettingResult["average"]): string;
}

function drawn(
  some: readonly SettingResult[],
  styles: ReadonlyMap<string, Style>,
  { name, of, tell }: Measured,
  end: number,
): Pick<Panel, "paths" | "marks"> {
  const lines = Map.groupBy(
    [...some].sort((a, b) => a.achieved.mean - b.achieved.mean),
    ({ line }) => line,
  );
  const paths = [...lines].flatMap(([line, own]): Path[] => {
    const style = styles.get(line)!;
    const along: Path = { style, points: own.map((each) => [each.achieved.mean, of(each).mean]) };
    if (style !== FULL_STYLE) return [along];
    const y = of(own[0]).mean;
    return [
      {
        style,
        kind: "level",
        points: [
          [own[0].achieved.mean, y],
          [end, y],
        ],
      },
    ];
  });
  const marks = some.map(
    (setting): Mark => ({
      style: styles.get(setting.line)!,
      x: setting.achieved.mean,
      y: of(setting).mean,
      interval: of(setting),
      tip: [
        setting.id,
        `${name}: ${tell(of(setting))}`,
        `achieved CR ${setting.achieved.mean.toFixed(2)} [${setting.achieved.low.toFixed(2)}, ${setting.achieved.high.toFixed(2)}]`,
      ],
    }),
  );
  return { paths, marks };
}
