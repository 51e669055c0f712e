// One plot: axes, lines, points, labels, and what is told of a point under the mouse.

import { type Axis, placeOf } from "./axis.ts";
import { frame, whisker } from "./frame.ts";
import { type Box, boxesAlong, placeLabels } from "./place.ts";
import { inkOf, marker, type Style } from "./style.ts";
import { element, escaped, polyline, text } from "./svg.ts";
import { tip } from "./tip.ts";

/** What is drawn of one line, in values. */
export interface Path {
  style: Style;
  points: readonly (readonly [x: number, y: number])[];
  /** level: no better is known so far; broad: beneath the others. */
  kind?: "level" | "broad";
}

export interface Mark {
  style: Style;
  x: number;
  y: number;
  /** Ends of an interval of y. */
  interval?: { low: number; high: number };
  faint?: boolean;
  label?: string;
  /** What it is, a line each. */
  tip: readonly string[];
}

export interface Panel {
  title?: string;
  x: Axis;
  y: Axis;
  paths: readonly Path[];
  marks: readonly Mark[];
}

/** How hovering is answered: by the viewer's own means, or by a box that a style sheet shows. */
export type Hover = "title" | "box";

const LABEL = 8.5;
const WIDTHS = { level: 1.2, broad: 7, line: 1.8 };

/** Draws a panel whose plot fills `area`; `bounds`: the whole figure, that tips stay within. */
export function drawPanel({ title, x, y, paths, marks }: Panel, area: Box, bounds: Box, hover: Hover): string {
  const atX = (value: number) => area.x + placeOf(x, value) * area.width;
  const atY = (value: number) => area.y + (1 - placeOf(y, value)) * area.height;
  const pixels = (points: Path["points"]) => points.map(([a, b]) => [atX(a), atY(b)] as const);
  const lines = [...paths].sort((a, b) => Number(b.kind === "broad") - Number(a.kind === "broad"));
  const strong = marks.filter(({ faint }) => !faint);
  const labels = strong.flatMap((mark) =>
    mark.label === undefined ? [] : [{ words: mark.label, color: inkOf(mark.style), x: atX(mark.x), y: atY(mark.y) }],
  );
  const taken = [
    ...marks.map((mark) => around(atX(mark.x), atY(mark.y), mark.faint ? 2.5 : 4)),
    ...paths.filter(({ kind }) => kind !== "broad").flatMap(({ points }) => boxesAlong(pixels(points))),
  ];
  const whiskers = marks.flatMap(({ x: at, interval }) =>
    interval ? boxesAlong([interval.low, interval.high].map((end) => [atX(at), atY(end)] as const)) : [],
  );
  return [
    frame(x, y, area, title),
    ...lines.map(({ style, points, kind }) =>
      polyline(pixels(points), {
        stroke: kind === "broad" ? "#d0d0d0" : style.color,
        "stroke-width": WIDTHS[kind ?? "line"],
        "stroke-dasharray": kind === "level" ? "1.5 2.5" : kind === "broad" ? undefined : style.dash,
        "stroke-opacity": kind === "level" ? 0.6 : undefined,
        "stroke-linejoin": "round",
        "stroke-linecap": kind === "broad" ? "round" : undefined,
      }),
    ),
    ...marks.flatMap(({ style, x: at, interval }) =>
      interval ? [whisker(atX(at), atY(interval.low), atY(interval.high), style.color)] : [],
    ),
    ...[...marks.filter(({ faint }) => faint), ...strong].map((mark) =>
      element(
        "g",
        {},
        ...(hover === "title" ? [element("title", {}, mark.tip.map(escaped).join("\n"))] : []),
        marker(mark.style, atX(mark.x), atY(mark.y), mark.faint ? 2.2 : 3.4, mark.faint),
      ),
    ),
    ...placeLabels(labels, { taken, faint: whiskers, area, size: LABEL }).map(({ words, color, x: left, y: base }) =>
      text(words, {
        x: left,
        y: base,
        "text-anchor": "middle",
        "font-size": LABEL,
        fill: color,
        stroke: "#ffffff",
        "stroke-width": 2,
        "paint-order": "stroke",
        "pointer-events": "none",
      }),
    ),
    ...(hover === "box" ? marks.map((mark) => tip(atX(mark.x), atY(mark.y), mark.tip, bounds)) : []),
  ].join("\n");
}

const around = (x: number, y: number, r: number): Box => ({ x: x - r, y: y - r, width: 2 * r, height: 2 * r });
