import { badArgument } from "../base/errors.ts";
import { svgOf } from "../base/svg.ts";
import type { JournalEntry } from "./disk/journal.ts";

interface Line {
  name: string;
  of: (entry: JournalEntry) => number | null | undefined;
  /** Values are few: each is marked. */
  points?: true;
}

interface Panel {
  title: string;
  height: number;
  lines: Line[];
}

const PANELS: Panel[] = [
  {
    title: "loss",
    height: 220,
    lines: [
      { name: "training", of: ({ loss }) => loss },
      { name: "held out", of: ({ heldOut }) => heldOut, points: true },
    ],
  },
  {
    title: "CR (8 = 8x smaller)",
    height: 140,
    lines: [
      { name: "target, nominal", of: ({ targetCr }) => targetCr },
      { name: "decided, nominal", of: ({ cr }) => cr },
      { name: "achieved, held out", of: ({ heldOutCr }) => heldOutCr, points: true },
    ],
  },
  {
    title: "learning rate",
    height: 80,
    lines: [{ name: "learning rate", of: ({ learningRate }) => learningRate }],
  },
];

/** Points of a line, at most; where there are more steps, a point is the mean of several. */
const MOST_POINTS = 500;
/** A loss that falls this far is shown on a logarithmic axis. */
const FALL = 20;

/**
 * A run over its steps, as SVG: loss and held-out loss, target and achieved ratio, learning rate, as far as the journal
 * has them. Throws `bad-argument` where it has none of them.
 */
export async function trainingPlot(entries: readonly JournalEntry[], title: string): Promise<string> {
  const panels = PANELS.map((panel) => ({
    ...panel,
    values: panel.lines.flatMap((line) =>
      pointsOf(entries, line).map((point) => ({ ...point, line: line.name, marked: line.points === true })),
    ),
  })).filter(({ values }) => values.length > 0);
  if (panels.length === 0) throw badArgument("nothing to plot: the journal has no step with a loss yet");
  const [, last] = extent(entries.map(({ step }) => step));
  return svgOf({
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: { text: title, anchor: "start" },
    background: "white",
    spacing: 12,
    resolve: { scale: { color: "independent" } },
    vconcat: panels.map(({ title, height, lines, values }, i) => {
      const shown = lines.map(({ name }) => name).filter((name) => values.some(({ line }) => line === name));
      const [least, most] = extent(values.map(({ y }) => y));
      const isLog = title === "loss" && least > 0 && most > FALL * least;
      return {
        width: 640,
        height,
        data: { values },
        encoding: {
          x: {
            field: "step",
            type: "quantitative",
            scale: { domain: [0, Math.max(1, last)], nice: false },
            title: i === panels.length - 1 ? "step" : null,
          },
          y: {
            field: "y",
            type: "quantitative",
            title,
            scale: isLog ? { type: "log", nice: false } : { zero: false },
          },
          color: {
            field: "line",
            type: "nominal",
            title: null,
            scale: { domain: shown, range: COLORS },
            legend: shown.length > 1 ? {} : null,
          },
        },
        layer: [
          { mark: { type: "line", strokeWidth: 1.5 } },
          {
            transform: [{ filter: "datum.marked" }],
            mark: { type: "point", filled: true, size: 40, opacity: 1 },
          },
        ],
      };
    }),
  });
}

const COLORS = ["#4c78a8", "#e45756", "#54a24b"];

const extent = (values: readonly number[]): [least: number, most: number] =>
  values.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [values[0], values[0]]);

/** Values of a line by step; many together as means. */
function pointsOf(entries: readonly JournalEntry[], { of }: Line): { step: number; y: number }[] {
  const all = entries.flatMap((entry) => {
    const y = of(entry);
    return typeof y === "number" && Number.isFinite(y) ? [{ step: entry.step, y }] : [];
  });
  const size = Math.max(1, Math.ceil(all.length / MOST_POINTS));
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => {
    const some = all.slice(i * size, (i + 1) * size);
    return {
      step: some[some.length - 1].step,
      y: some.reduce((sum, { y }) => sum + y, 0) / some.length,
    };
  });
}
