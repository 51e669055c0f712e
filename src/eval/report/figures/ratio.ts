// Accuracy over the compression that was achieved: a panel for each length and width, a line for each method.

import { accuracyName, lengthName } from "../columns.ts";
import { logAxis, percentAxis } from "../draw/axis.ts";
import type { Figure } from "../draw/figure.ts";
import type { Mark, Panel, Path } from "../draw/panel.ts";
import { FULL_STYLE, type Style } from "../draw/style.ts";
import type { SettingResult } from "../measure.ts";
import type { TaskReport } from "../report.ts";
import { legendOf, percent, stylesOf } from "./styles.ts";

const MOST_PANELS = 9;

/** null where nothing was compressed. `of`: of one chain (avg@1), or of the vote of all. */
export function ratioFigure(task: TaskReport, of: "chain" | "vote"): Figure | null {
  const runs = Map.groupBy(task.settings, ({ length, width }) => `${length}-${of === "vote" ? width : 0}`);
  const groups = [...runs.values()].filter((some) => some.some(({ achieved }) => achieved.mean > 1.05));
  const votes = of === "chain" || groups.some((some) => some[0].width > 1);
  if (groups.length === 0 || !votes) return null;
  const shown = groups.slice(0, MOST_PANELS);
  const styles = stylesOf(task);
  const accuracy = (setting: SettingResult) => (of === "chain" ? setting.average : setting.widths.at(-1)!.accuracy);
  const settings = shown.flat();
  const name = of === "chain" ? "avg@1" : accuracyName(task.kind, "W");
  const x = logAxis(
    "achieved CR (4 = 4x fewer reads)",
    "ratio",
    settings.map(({ achieved }) => achieved.mean),
  );
  const y = percentAxis(
    `${name} (%)`,
    settings.flatMap((setting) => [accuracy(setting).low, accuracy(setting).high]),
  );
  const left = groups.length - shown.length;
  return {
    name: of === "chain" ? "ratio" : "ratio-vote",
    caption: `${name} against the compression achieved while decoding, by method, for each ${of === "chain" ? "length" : "length and width"}. Dotted: the full cache. Bars: 95% intervals.${left > 0 ? ` The first ${shown.length} of ${groups.length}.` : ""}`,
    legend: legendOf(styles).filter((entry) => settings.some(({ line }) => line === entry.name)),
    columns: Math.min(3, shown.length),
    plot: shown.length === 1 ? { width: 340, height: 230 } : { width: 220, height: 180 },
    panels: shown.map((some): Panel => {
      const [{ length, width }] = some;
      const title = of === "chain" ? `${lengthName(length)} tokens` : `${lengthName(length)} tokens, ${width} chains`;
      return { title, x, y, ...drawn(some, styles, accuracy, name, x.to) };
    }),
  };
}

function drawn(
  some: readonly SettingResult[],
  styles: ReadonlyMap<string, Style>,
  accuracy: (setting: SettingResult) => SettingResult["average"],
  name: string,
  end: number,
): Pick<Panel, "paths" | "marks"> {
  const lines = Map.groupBy(
    [...some].sort((a, b) => a.achieved.mean - b.achieved.mean),
    ({ line }) => line,
  );
  const paths = [...lines].flatMap(([line, own]): Path[] => {
    const style = styles.get(line)!;
    const along: Path = { style, points: own.map((each) => [each.achieved.mean, accuracy(each).mean]) };
    if (style !== FULL_STYLE) return [along];
    const y = accuracy(own[0]).mean;
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
      y: accuracy(setting).mean,
      interval: accuracy(setting),
      tip: [
        setting.id,
        `${name}: ${percent(accuracy(setting))}`,
        `achieved CR ${setting.achieved.mean.toFixed(2)} [${setting.achieved.low.toFixed(2)}, ${setting.achieved.high.toFixed(2)}]`,
      ],
    }),
  );
  return { paths, marks };
}
