// Spans along one axis, a row each: names at their left, words at their right.

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
  words: string;
  tip: readonly string[];
}

export interface RowFigure {
  name: string;
  caption: string;
  x: Axis;
  /** Above the words. */
  heading: string;
  rows: readonly Row[];
}

const HEIGHT = 15;
const EDGE = 8;
const PLOT = 280;
const TOP = 22;

export function svgRows({ caption, x, heading, rows }: RowFigure, hover: Hover): string {
  const widest = (all: readonly string[], most: number) =>
    Math.min(most, Math.max(...all.map((words) => widthOf(words, TICK))));
  const names = widest(
    rows.map(({ name }) => name),
    240,
  );
  const beside = widest([heading, ...rows.map(({ words }) => words)], 240);
  const left = EDGE + names + 10;
  const [width, bottom] = [left + PLOT + 14 + beside + EDGE, TOP + rows.length * HEIGHT + 4];
  const height = bottom + 38;
  const at = (value: number) => left + placeOf(x, value) * PLOT;
  const small = { "font-size": TICK, fill: INK };
  const line = (x1: number, x2: number, y: number, stroke: string, thick: number) =>
    element("line", { x1, x2, y1: y, y2: y, stroke, "stroke-width": thick });
  const drawn = rows.map(({ name, style, span, words, tip: told }, i) => {
    const y = TOP + (i + 0.5) * HEIGHT;
    const base = y + TICK * 0.35;
    return [
      text(fitted(name, TICK, names), { x: left - 8, y: base, "text-anchor": "end", ...small }),
      element(
        "g",
        {},
        ...(hover === "title" ? [element("title", {}, told.map(escaped).join("\n"))] : []),
        line(at(span.low), at(span.high), y, style.color, 1),
        line(at(span.from), at(span.to), y, style.color, 5),
        element("circle", { cx: at(span.middle), cy: y, r: 3, fill: "#ffffff", stroke: style.color }),
      ),
      text(fitted(words, TICK, beside), { x: left + PLOT + 14, y: base, ...small }),
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
    text(heading, { x: left + PLOT + 14, y: TOP - 8, ...small }),
    ...drawn,
    ...(hover === "box"
      ? rows.map(({ span, tip: told }, i) => tip(at(span.middle), TOP + (i + 0.5) * HEIGHT, told, bounds))
      : []),
  );
}
