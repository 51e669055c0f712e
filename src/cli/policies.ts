import type { Command } from "commander";
import { recipeOf, recipes } from "../policy/index.ts";
import type { Recipe } from "../policy/policy.ts";
import { columns } from "./format.ts";

export function registerPolicies(program: Command): void {
  program
    .command("policies")
    .description("the ways to choose what the cache keeps, or one of them with its settings")
    .argument("[name]", "a policy")
    .option("--json", "print as JSON")
    .addHelpText(
      "after",
      "\nA policy is given as name or name:setting=value,... as in --policy snapkv:cr=4,window=32\nExample: hyperthink policies snapkv",
    )
    .action((name: string | undefined, flags: { json?: boolean }) => {
      const shown = name === undefined ? recipes : [recipeOf(name)];
      if (flags.json) console.log(JSON.stringify(shown.map(({ make: _, ...told }) => told)));
      else console.log(name === undefined ? table(shown) : one(shown[0]));
    });
}

const budgetsOf = ({ budgets }: Recipe): string => budgets.join(", ") || "-";

const table = (shown: readonly Recipe[]): string =>
  columns([
    ["policy", "budget", "watches", "acts", "paper"],
    ...shown.map((r) => [
      r.name,
      budgetsOf(r),
      r.watches,
      r.acts,
      r.paper?.replace("https://arxiv.org/abs/", "arXiv ") ?? "-",
    ]),
  ]);

function one(r: Recipe): string {
  const settings = Object.entries(r.settings);
  const lines = [
    `${r.name}: ${r.summary}`,
    "",
    `watches  ${r.watches}`,
    `acts     ${r.acts}`,
    `budget   ${budgetsOf(r)}`,
    `paper    ${r.paper ?? "-"}`,
  ];
  if (settings.length) lines.push("", "settings", columns(settings.map(([name, words]) => [`  ${name}`, words])));
  if (r.note) lines.push("", r.note);
  return lines.join("\n");
}
