// All tasks by name.

import { badArgument } from "../../base/errors.ts";
import { abacus } from "./abacus.ts";
import { aime24, aime25 } from "./aime.ts";
import { beads } from "./beads.ts";
import { commonWords } from "./common-words.ts";
import { frequentWords } from "./frequent-words.ts";
import { game24 } from "./game24.ts";
import { gpqa } from "./gpqa.ts";
import { gsm8k } from "./gsm8k.ts";
import { humaneval } from "./humaneval.ts";
import { livecodebench } from "./livecodebench.ts";
import { math500 } from "./math500.ts";
import { mmlu, mmluGen } from "./mmlu.ts";
import { needle } from "./needle.ts";
import { perplexity } from "./perplexity.ts";
import { parseTaskSpec, type TaskRecipe, taskOf } from "./recipe.ts";
import { multikey, multiquery, multivalue } from "./ruler-needles.ts";
import type { Task } from "./task.ts";
import { variables } from "./variables.ts";

export const taskRecipes: readonly TaskRecipe[] = [
  aime24,
  aime25,
  math500,
  gsm8k,
  gpqa,
  mmlu,
  mmluGen,
  humaneval,
  livecodebench,
  game24,
  needle,
  multikey,
  multivalue,
  multiquery,
  variables,
  commonWords,
  frequentWords,
  perplexity,
  beads,
  abacus,
];

/** Throws `bad-argument` for a name that there is not. */
export function recipeOfTask(name: string): TaskRecipe {
  const recipe = taskRecipes.find((each) => each.name === name);
  if (!recipe)
    throw badArgument(
      `unknown task "${name}": expected one of ${taskRecipes.map((each) => each.name).join(", ")}, or a .jsonl file of prompts and answers`,
    );
  return recipe;
}

/** The task that a name means, with its settings after a colon. Throws `bad-argument` for what there is not. */
export function makeTask(spec: string): Task {
  const { name, settings } = parseTaskSpec(spec);
  return taskOf(recipeOfTask(name), settings);
}
