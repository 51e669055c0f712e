// How a line looks: a colour that the colour-blind can tell (Okabe and Ito's, without yellow), a shape and a dash.

import { element } from "./svg.ts";

export interface Style {
  color: string;
  marker: number;
  dash?: string;
}

export const BLACK = "#000000";
const COLORS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"];
const DASHES = [undefined, "6 3", "2 2", "8 2 2 2"];

/** Corners in units of the marker's size, clockwise; null: a circle. */
const MARKERS: (readonly (readonly [number, number])[] | null)[] = [
  null,
  [
    [-0.89, -0.89],
    [0.89, -0.89],
    [0.89, 0.89],
    [-0.89, 0.89],
  ],
  [
    [0, -1.25],
    [1.15, 0.85],
    [-1.15, 0.85],
  ],
  [
    [0, -1.3],
    [1.3, 0],
    [0, 1.3],
    [-1.3, 0],
  ],
  [
    [0, 1.25],
    [1.15, -0.85],
    [-1.15, -0.85],
  ],
];

/** The style of line `index`; lines differ in it up to 28. */
export function styleOf(index: number): Style {
  const round = Math.floor(index / COLORS.length);
  return {
    color: COLORS[index % COLORS.length],
    marker: (1 + index + round) % MARKERS.length,
    dash: DASHES[round % DASHES.length],
  };
}

/** The colour of words about a line: dark enough to be read. */
export const inkOf = ({ color }: Style): string =>
  `#${[1, 3, 5]
    .map((at) =>
      Math.round(Number.parseInt(color.slice(at, at + 2), 16) * 0.68)
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;

export const FULL_STYLE: Style = { color: BLACK, marker: 0 };

/** A line's mark around a point in pixels. */
export function marker({ color, marker: shape }: Style, x: number, y: number, size: number, faint = false): string {
  const look = {
    class: "m",
    fill: color,
    "fill-opacity": faint ? 0.35 : undefined,
    stroke: faint ? undefined : "#ffffff",
    "stroke-width": faint ? undefined : 0.6,
  };
  const corners = MARKERS[shape % MARKERS.length];
  if (!corners) return element("circle", { cx: x, cy: y, r: size, ...look });
  const points = corners.map(([dx, dy]) => [x + dx * size, y + dy * size].map((n) => Math.round(n * 100) / 100));
  return element("polygon", { points: points.map((point) => point.join(",")).join(" "), ...look });
}
