// Draws docs/policies-wikitext2.svg from the table in docs/policies.md, whose rows come from several commands.
//   node bench/policies-plot.ts
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { plotSvg } from "../src/cli/plot.ts";
import type { Summary } from "../src/eval/compare/summary.ts";
import { here } from "./before.ts";

const page = readFileSync(join(here, "docs/policies.md"), "utf8");
const rows = page
  .split("\n")
  .filter((line) => /^\| \S+ \| \d+ \| [\d.]+ \| /.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()));
const summaries = rows.map(([, label, , cr, , mean, interval]) => {
  const [low, high] = interval.split(" to ").map(Number);
  // One line for dms, whose ratios are adapters and thresholds.
  return {
    label: label.replace(/^dms:\dx(,\S+)?$/, "dms"),
    cr: Number(cr),
    kl: { mean: Number(mean), low, high },
  } as Summary;
});
if (summaries.some(({ cr, kl }) => [cr, kl.mean, kl.low, kl.high].some(Number.isNaN)))
  throw new Error("docs/policies.md: expected a ratio, a divergence and its interval in each row of the table");
const out = join(here, "docs/policies-wikitext2.svg");
writeFileSync(out, await plotSvg(summaries, "32 windows, 512 + 512 tokens"));
console.log(`${out}: ${summaries.length} rows`);
