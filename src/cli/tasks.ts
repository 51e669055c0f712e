import type { Command } from "commander";
import { recipeOfTask, taskRecipes } from "../eval/tasks/index.ts";
import { type TaskRecipe, taskOf } from "../eval/tasks/recipe.ts";
import { columns } from "./format.ts";

export function registerTasks(program: Command): void {
  program
    .command("tasks")
    .description("what models are evaluated on, or one task with its protocol, source and settings")
    .argument("[name]", "a task")
    .option("--json", "print as JSON")
    .addHelpText(
      "after",
      "\nA task is given as name or name:setting=number,... as in eval --task needle:from=2048,depths=8\nExample: hyperthink tasks needle",
    )
    .action((name: string | undefined, flags: { json?: boolean }) => {
      const shown = name === undefined ? taskRecipes : [recipeOfTask(name)];
      if (flags.json)
        console.log(JSON.stringify(shown.map(({ make: _, ...told }) => ({ ...told, counts: countsOf(told.name) }))));
      else console.log(name === undefined ? table(shown) : one(shown[0]));
    });
}

/** What counts of a problem. */
function countsOf(name: string): string {
  const task = taskOf(recipeOfTask(name));
  if (task.kind === "vote") return task.by === "pass" ? "one right chain" : "the vote of its chains";
  return task.kind === "perplexity" ? "perplexity" : "the likeliest choice";
}

const table = (shown: readonly TaskRecipe[]): string =>
  columns([
    ["task", "what counts", "data", "asks"],
    ...shown.map(({ name, data, summary }) => [name, countsOf(name), data ?? "made", summary]),
  ]);

function one({ name, summary, protocol, source, data, settings }: TaskRecipe): string {
  const rows = Object.entries(settings).map(([setting, { about, default: value, least, most }]) => [
    `  ${setting}`,
    String(value),
    `${least} to ${most}`,
    about,
  ]);
  const lines = [
    `${name}: ${summary}`,
    "",
    `protocol  ${protocol}`,
    `counts    ${countsOf(name)}`,
    `source    ${source}`,
    `data      ${data ?? "made, by seed"}`,
  ];
  if (rows.length > 0) lines.push("", "settings", columns([["  name", "default", "range", ""], ...rows]));
  return lines.join("\n");
}
