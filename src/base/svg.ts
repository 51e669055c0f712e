import type { TopLevelSpec } from "vega-lite";

/** A plot as SVG. Only plots need the libraries, which take a third of a second to load. */
export async function svgOf(spec: TopLevelSpec): Promise<string> {
  const [{ compile }, { parse, View }] = await Promise.all([import("vega-lite"), import("vega")]);
  return new View(parse(compile(spec).spec), { renderer: "none" }).toSVG();
}
