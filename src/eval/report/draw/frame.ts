// What stands around a plot: grid, axes, ticks and titles.

import { type Axis, placeOf, ticksOf } from "./axis.ts";
import type { Box } from "./place.ts";
import { element, text } from "./svg.ts";
import { fitted } from "./words.ts";

export const INK = "#333333";
export const TICK = 9.5;
export const WORDS = 11;
const GRID = "#e6e6e6";

/** Room that the words of a panel take beside its plot. */
export const MARGINS = { left: 46, right: 18, top: 8, bottom: 38 };
export const TITLE = 12; // more at the top, where panels have titles

export function frame(x: Axis, y: Axis, area: Box, title?: string): string {
  const { x: left, y: top, width, height } = area;
  const [right, bottom] = [left + width, top + height];
  const line = (x1: number, y1: number, x2: number, y2: number, stroke: string) =>
    element("line", { x1, y1, x2, y2, stroke, "stroke-width": stroke === GRID ? 0.7 : 1 });
  const small = { "font-size": TICK, fill: INK };
  const middle = top + height / 2;
  return [
    ...ticksOf(x).flatMap(({ value, label }) => {
      const at = left + placeOf(x, value) * width;
      return [
        line(at, top, at, bottom, GRID),
        line(at, bottom, at, bottom + 3, INK),
        text(label, { x: at, y: bottom + 13, "text-anchor": "middle", ...small }),
      ];
    }),
    ...ticksOf(y).flatMap(({ value, label }) => {
      const at = bottom - placeOf(y, value) * height;
      return [
        line(left, at, right, at, GRID),
        text(label, { x: left - 6, y: at + TICK * 0.35, "text-anchor": "end", ...small }),
      ];
    }),
    line(left, bottom, right, bottom, INK),
    line(left, top, left, bottom, INK),
    text(x.title, { x: left + width / 2, y: bottom + 29, "text-anchor": "middle", "font-size": WORDS, fill: INK }),
    text(y.title, {
      transform: `translate(${left - 34} ${middle}) rotate(-90)`,
      "text-anchor": "middle",
      "font-size": WORDS,
      fill: INK,
    }),
    ...(title === undefined
      ? []
      : [text(fitted(title, WORDS, width), { x: left, y: top - 6, "font-size": WORDS, fill: INK })]),
  ].join("\n");
}

/** An interval, upright, with short ends. */
export function whisker(x: number, from: number, to: number, stroke: string): string {
  const at = (dx: number, y: number) => `${(x + dx).toFixed(2)} ${y.toFixed(2)}`;
  const end = (y: number) => `M${at(-2, y)}L${at(2, y)}`;
  return element("path", {
    d: `${end(from)}M${at(0, from)}L${at(0, to)}${end(to)}`,
    stroke,
    "stroke-width": 0.9,
    "stroke-opacity": 0.45,
    fill: "none",
  });
}
