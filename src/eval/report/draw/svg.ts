// SVG as text. Whatever comes from a record is escaped here.

import { visible } from "../../../base/visible.ts";

type Attributes = Record<string, string | number | undefined>;

const ENTITIES: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/** A text as XML and HTML show it, with what is invisible in it by its code point. */
export const escaped = (text: string): string => visible(text).replace(/[&<>"']/g, (c) => ENTITIES[c]);

const shown = (value: string | number): string =>
  typeof value === "number" ? String(Math.round(value * 100) / 100) : escaped(value);

/** An element; its children are SVG already. */
export function element(name: string, attributes: Attributes, ...children: string[]): string {
  const list = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [` ${key}="${shown(value)}"`],
  );
  const head = `<${name}${list.join("")}`;
  return children.length > 0 ? `${head}>${children.join("")}</${name}>` : `${head}/>`;
}

export const text = (words: string, attributes: Attributes): string => element("text", attributes, escaped(words));

/** A line through points in pixels. */
export const polyline = (points: readonly (readonly [number, number])[], attributes: Attributes): string =>
  element("polyline", {
    points: points.map(([x, y]) => `${shown(x)},${shown(y)}`).join(" "),
    fill: "none",
    ...attributes,
  });
