// A box of words beside a point, shown by a style sheet while the mouse is over it: no script.

import type { Box } from "./place.ts";
import { element, text } from "./svg.ts";
import { fitted, widthOf } from "./words.ts";

/** For figures with such boxes. */
export const TIP_STYLE = `
.tip{visibility:hidden;pointer-events:none}
.hit:hover+.tip{visibility:visible}
.hit:hover{stroke:#333;stroke-width:1}`;

const SIZE = 10;
const LINE = 13;
const PAD = 6;
const MOST = 320;

/** The place to hit around (x, y), and its box, within `bounds`. */
export function tip(x: number, y: number, words: readonly string[], bounds: Box): string {
  const lines = words.map((line) => fitted(line, SIZE, MOST));
  const width = Math.max(...lines.map((line) => widthOf(line, SIZE))) + 2 * PAD;
  const height = lines.length * LINE + 2 * PAD - 3;
  const clamp = (at: number, least: number, most: number) => Math.max(least, Math.min(at, most));
  const left = clamp(x - width / 2, bounds.x + 1, bounds.x + bounds.width - width - 1);
  const above = y - 10 - height;
  const top = above >= bounds.y ? above : clamp(y + 10, bounds.y, bounds.y + bounds.height - height - 1);
  return [
    element("circle", { class: "hit", cx: x, cy: y, r: 6, fill: "#fff", "fill-opacity": 0 }),
    element(
      "g",
      { class: "tip", "font-size": SIZE, fill: "#222" },
      element("rect", { x: left, y: top, width, height, rx: 3, fill: "#fffff0", stroke: "#999" }),
      ...lines.map((line, i) => text(line, { x: left + PAD, y: top + PAD + SIZE + i * LINE - 2 })),
    ),
  ].join("");
}
