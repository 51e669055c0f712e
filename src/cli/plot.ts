import type { TopLevelSpec } from "vega-lite";
import { badArgument } from "../base/errors.ts";
import { svgOf } from "../base/svg.ts";
import type { Summary } from "../eval/compare/summary.ts";
import { familyOf } from "../policy/spec.ts";

/** Below this a policy is the full cache, up to rounding: it would stretch a logarithmic axis by decades. */
const ROUNDING = 1e-6;

/**
 * Divergence against achieved ratio with its interval, one line per policy, as SVG. Zero divergence has no place on a
 * logarithmic axis: `full` is left out, and an interval that reaches 0 ends at the bottom.
 */
export async function plotSvg(summaries: readonly Summary[], title: string, from = "the full cache"): Promise<string> {
  const shown = summaries.filter(({ kl }) => kl.mean > ROUNDING);
  if (shown.length === 0) throw badArgument(`nothing to plot: no policy differs from ${from} on these texts`);
  const bottom = Math.min(...shown.map(({ kl }) => (kl.low > 0 ? kl.low : kl.mean / 2)));
  const values = shown.map(({ label, cr, kl }) => ({
    policy: familyOf(label),
    cr,
    kl: kl.mean,
    low: Number.isFinite(kl.low) ? Math.max(kl.low, bottom) : kl.mean,
    high: Number.isFinite(kl.high) ? kl.high : kl.mean,
  }));
  const nats = {
    type: "quantitative",
    scale: { type: "log" },
    title: `mean KL from ${from} (nats a token), 95% interval`,
  } as const;
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
      color: { field: "policy", type: "nominal", scale: { scheme: "tableau20" }, title: "policy" },
    },
    layer: [
      {
        mark: { type: "rule", opacity: 0.4 },
        encoding: { y: { field: "low", ...nats }, y2: { field: "high" } },
      },
      { mark: { type: "line", strokeWidth: 1.5 }, encoding: { y: { field: "kl", ...nats } } },
      {
        mark: { type: "point", filled: true, size: 60, opacity: 1 },
        encoding: { y: { field: "kl", ...nats }, shape: { field: "policy", type: "nominal", title: "policy" } },
      },
    ],
  };
  return svgOf(spec);
}
