// How long chains were, and how they ended.

import { logAxis } from "../draw/axis.ts";
import type { RowFigure } from "../draw/rows.ts";
import type { TaskReport } from "../report.ts";
import { stylesOf } from "./styles.ts";

/** null where no chain has a token. */
export function lengthsFigure(task: TaskReport): RowFigure | null {
  const rows = task.settings.filter(({ tokens }) => tokens.p10 > 0);
  if (rows.length === 0) return null;
  const styles = stylesOf(task);
  return {
    name: "lengths",
    caption:
      "Tokens drawn, of chains: the middle half, 10th and 90th percentile, and the median; and the shares of chains that were cut off, gave no answer, ended in a loop or failed.",
    x: logAxis(
      "tokens of a chain",
      "number",
      rows.flatMap(({ tokens }) => [tokens.p10, tokens.p90]),
    ),
    headings: ["cut off %", "no answer %", "loop %", "failed %"],
    rows: rows.map(({ id, line, tokens, truncated, abstained, looped, failed }) => ({
      name: id,
      style: styles.get(line)!,
      span: { low: tokens.p10, from: tokens.p25, middle: tokens.median, to: tokens.p75, high: tokens.p90 },
      cells: [truncated, abstained, looped, failed].map(({ share }) => (100 * share.mean).toFixed(0)),
      tip: [
        id,
        `tokens: mean ${tokens.mean.mean.toFixed(0)}, median ${tokens.median}, most ${tokens.most}`,
        `chains: ${truncated.chains} cut off, ${abstained.chains} without an answer, ${looped.chains} in a loop, ${failed.chains} failed`,
      ],
    })),
  };
}
