import type { TopLevelSpec } from "vega-lite";
import type { Summary } from "../eval/compare/summary.ts";

/** Below this a policy is the full cache, up to rounding: it would stretch a logarithmic axis by decades. */
const ROUNDING = 1e-6;

/** Divergence against achieved ratio, one line a policy, as SVG. Zero divergence has no place on a logarithmic axis: `full` is left out. */
export async function plotSvg(summaries: readonly Summary[], title: string): Promise<string> {
  // Only this needs them, and they take a third of a second to load.
  const [{ compile }, { parse, View }] = await Promise.all([import("vega-lite"), import("vega")]);
  const values = summaries
    .filter(({ kl }) => kl.mean > ROUNDING)
    .map(({ label, cr, kl, asked }) => ({
      policy: label.replace(/:?,?cr=[\d.]+/, ""),
      cr,
      kl: kl.mean,
      asked: asked ?? "",
    }));
  const spec: TopLevelSpec = {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title,
    width: 560,
    height: 420,
    background: "white",
    data: { values },
    encoding: {
      x: {
        field: "cr",
        type: "quantitative",
        scale: { type: "log", base: 2, nice: false },
        title: "achieved CR (8 = 8x fewer keys read)",
      },
      y: {
        field: "kl",
        type: "quantitative",
        scale: { type: "log" },
        title: "mean KL from the full cache (nats a token)",
      },
      color: { field: "policy", type: "nominal", scale: { scheme: "tableau20" }, title: "policy" },
      shape: { field: "policy", type: "nominal", title: "policy" },
    },
    layer: [{ mark: { type: "line", strokeWidth: 1.5 } }, { mark: { type: "point", filled: true, size: 60 } }],
  };
  return new View(parse(compile(spec).spec), { renderer: "none" }).toSVG();
}
