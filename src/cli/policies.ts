import type { Command } from "commander";
import { recipes } from "../policy/index.ts";

export function registerPolicies(program: Command): void {
  program
    .command("policies")
    .description("the ways to choose what the cache keeps")
    .option("--json", "print as JSON")
    .action((flags: { json?: boolean }) => {
      if (flags.json)
        console.log(JSON.stringify(recipes.map(({ name, summary, paper }) => ({ name, summary, paper }))));
      else
        for (const { name, summary, paper } of recipes)
          console.log(`${name.padEnd(6)} ${summary}${paper ? `\n       ${paper}` : ""}`);
    });
}
