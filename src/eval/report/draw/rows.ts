// Spans along one axis, a row each: names at their left, numbers at their right.

import { type Axis, placeOf, ticksOf } from "./axis.ts";
import { svgRoot } from "./figure.ts";
import { INK, TICK, WORDS } from "./frame.ts";
import type { Hover } from "./panel.ts";
import type { Style } from "./style.ts";
import { element, escaped, text } from "./svg.ts";
import { tip } from "./tip.ts";
import { fitted, widthOf } from "./words.ts";

export interface Row {
  name: string;
  style: Style;
  /** Ends of a thin and of a thick line, and the dot on it. */
  span: { low: number; from: number; middle: number; to: number; high: number };
  /** As many as there are headings. */
  cells: readonly string[];
  tip: readonly string[];
}

export interface RowFigure {
  name: string;
  caption: string;
  x: Axis;
  /** Of the cells. */
  headings: readonly string[];
  rows: readonly Row[];
}

const HEIGHT = 15;
const EDGE = 8;
const PLOT = 280;
const TOP = 22;
const NAMES = 240; // most pixels of a name

export function svgRows({ caption, x, headings, rows }: RowFigure, hover: Hover): string {
  const names = Math.min(NAMES, Math.max(...rows.map(({ name }) => widthOf(name, TICK))));
  const left = EDGE + names + 10;
  const ends: number[] = []; // right ends of the columns of cells
  for (const [i, heading] of headings.entries()) {
    const widest = Math.max(...[heading, ...rows.map(({ cells }) => cells[i])].map((words) => widthOf(words, TICK)));
    ends.push((ends.at(-1) ?? left + PLOT) + 12 + widest);
  }
  const [width, bottom] = [(ends.at(-1) ?? left + PLOT) + EDGE, TOP + rows.length * HEIGHT + 4];
  const height = bottom + 38;
  const at = (value: number) => left + placeOf(x, value) * PLOT;
  const small = { "font-size": TICK, fill: INK };
  const line = (x1: number, x2: number, y: number, stroke: string, thick: number) =>
    element("line", { x1, x2, y1: y, y2: y, stroke, "stroke-width": thick });
  const right = (words: string, x: number, y: number) => text(words, { x, y, "text-anchor": "end", ...small });
  const drawn = rows.map(({ name, style, span, cells, tip: told }, i) => {
    const y = TOP + (i + 0.5) * HEIGHT;
    const base = y + TICK * 0.35;
    return [
      right(fitted(name, TICK, names), left - 8, base),
      element(
        "g",
        {},
        ...(hover === "title" ? [element("title", {}, told.map(escaped).join("\n"))] : []),
        line(at(span.low), at(span.high), y, style.color, 1),
        line(at(span.from), at(span.to), y, style.color, 5),
        element("circle", { cx: at(span.middle), cy: y, r: 3, fill: "#ffffff", stroke: style.color }),
      ),
      ...cells.map((cell, c) => right(cell, ends[c], base)),
    ].join("");
  });
  const grid = ticksOf(x).flatMap(({ value, label }) => [
    element("line", { x1: at(value), x2: at(value), y1: TOP, y2: bottom, stroke: "#e6e6e6", "stroke-width": 0.7 }),
    text(label, { x: at(value), y: bottom + 13, "text-anchor": "middle", ...small }),
  ]);
  const bounds = { x: 0, y: 0, width, height };
  return svgRoot(
    width,
    height,
    caption,
    ...grid,
    line(left, left + PLOT, bottom, INK, 1),
    text(x.title, { x: left + PLOT / 2, y: bottom + 29, "text-anchor": "middle", "font-size": WORDS, fill: INK }),
    ...headings.map((heading, c) => right(heading, ends[c], TOP - 8)),
    ...drawn,
    ...(hover === "box"
      ? rows.map(({ span, tip: told }, i) => tip(at(span.middle), TOP + (i + 0.5) * HEIGHT, told, bounds))
      : []),
  );
}
