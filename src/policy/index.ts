import { HyperthinkError } from "../base/errors.ts";
import { dms } from "./dms.ts";
import { full } from "./full.ts";
import type { Policy, PolicyOptions, Recipe, Trained } from "./policy.ts";
import { tova } from "./tova.ts";

export const recipes: readonly Recipe[] = [full, dms, tova];

/** The policy called `name` for a model; without a name, `dms` where the model has gates, else `full`. */
export function makePolicy(name: string | undefined, model: Trained, options: PolicyOptions = {}): Policy {
  const wanted = name ?? (model.dms ? "dms" : "full");
  const recipe = recipes.find((r) => r.name === wanted);
  if (!recipe)
    throw new HyperthinkError(
      "bad-argument",
      `unknown policy "${wanted}": expected one of ${recipes.map((r) => r.name).join(", ")}`,
    );
  if (options.cr !== undefined && !(options.cr >= 1 && Number.isFinite(options.cr)))
    throw new HyperthinkError("bad-argument", `--cr must be a number >= 1 (8 means 8x smaller), got ${options.cr}`);
  return recipe.make(model, options);
}
