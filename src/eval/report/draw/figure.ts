// Panels in rows and columns under one legend, as SVG.

import { INK, MARGINS, TICK, TITLE } from "./frame.ts";
import { drawPanel, type Hover, type Panel } from "./panel.ts";
import type { Box } from "./place.ts";
import { marker, type Style } from "./style.ts";
import { element, text } from "./svg.ts";
import { FONTS, fitted, widthOf } from "./words.ts";

export interface Entry {
  name: string;
  style: Style;
  /** A broad band of grey. */
  broad?: true;
}

export interface Figure {
  /** Of its files, without an ending. */
  name: string;
  /** In a sentence, for those who cannot see it and for captions. */
  caption: string;
  legend: readonly Entry[];
  panels: readonly Panel[];
  columns: number;
  /** Pixels of each panel's plot. */
  plot: { width: number; height: number };
}

const EDGE = 6;
const SAMPLE = 22;
const ROW = 15;

/** A figure as SVG. */
export function svgFigure({ caption, legend, panels, columns, plot }: Figure, hover: Hover): string {
  const across = Math.min(columns, panels.length);
  const above = MARGINS.top + (panels.some(({ title }) => title !== undefined) ? TITLE : 0);
  const cell = { width: plot.width + MARGINS.left + MARGINS.right, height: plot.height + MARGINS.bottom + above };
  const width = 2 * EDGE + across * cell.width;
  const { svg: entries, height: legendHeight } = drawLegend(legend, width - 2 * EDGE - MARGINS.left);
  const top = EDGE + legendHeight;
  const height = top + Math.ceil(panels.length / across) * cell.height + EDGE;
  const bounds = { x: 0, y: 0, width, height };
  const drawn = panels.map((panel, i) => {
    const area: Box = {
      x: EDGE + (i % across) * cell.width + MARGINS.left,
      y: top + Math.floor(i / across) * cell.height + above,
      ...plot,
    };
    return drawPanel(panel, area, bounds, hover);
  });
  return svgRoot(width, height, caption, entries, ...drawn);
}

/** The element around a figure's content. */
export const svgRoot = (width: number, height: number, caption: string, ...content: string[]): string =>
  element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      "font-family": FONTS,
      role: "img",
      "aria-label": caption,
    },
    "\n",
    [element("rect", { width, height, fill: "#ffffff" }), ...content].join("\n"),
    "\n",
  );

function drawLegend(entries: readonly Entry[], most: number): { svg: string; height: number } {
  let [x, row] = [0, 0];
  const drawn = entries.map(({ name, style, broad }) => {
    const words = fitted(name, TICK, most - SAMPLE - 6);
    const width = SAMPLE + 5 + widthOf(words, TICK);
    if (x > 0 && x + width > most) [x, row] = [0, row + 1];
    const left = EDGE + MARGINS.left + x;
    const y = EDGE + row * ROW + ROW / 2;
    x += width + 14;
    return [
      element("line", {
        x1: left,
        x2: left + SAMPLE,
        y1: y,
        y2: y,
        stroke: broad ? "#d0d0d0" : style.color,
        "stroke-width": broad ? 7 : 1.8,
        "stroke-dasharray": style.dash,
      }),
      ...(broad ? [] : [marker(style, left + SAMPLE / 2, y, 3.4)]),
      text(words, { x: left + SAMPLE + 5, y: y + TICK * 0.35, "font-size": TICK, fill: INK }),
    ].join("");
  });
  return { svg: drawn.join("\n"), height: entries.length > 0 ? (row + 1) * ROW + 4 : 0 };
}
