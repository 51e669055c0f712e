import type { Source } from "./source.ts";

/** The file in which this project's trainer says how it made a folder. */
export const RECIPE = "training.json";

/** A recipe's settings by dotted name, in its order; null: the folder has none. Numbers and words only: untrusted. */
export async function readRecipe(source: Source): Promise<Record<string, string | number | boolean> | null> {
  const json = await source.json(RECIPE);
  if (json === null) return null;
  const found: Record<string, string | number | boolean> = {};
  const take = (value: unknown, name: string, depth: number): void => {
    if (Object.keys(found).length >= MOST) return;
    if (typeof value === "string") found[name] = value.slice(0, LONGEST);
    else if (typeof value === "number" || typeof value === "boolean") found[name] = value;
    else if (Array.isArray(value) && value.length > 0) found[name] = value.join(", ").slice(0, LONGEST);
    else if (typeof value === "object" && value !== null && depth < DEEPEST)
      for (const [key, item] of Object.entries(value)) take(item, name === "" ? key : `${name}.${key}`, depth + 1);
  };
  const { config: _, ...recipe } = json as Record<string, unknown>; // of the model: it stands in config.json
  take(recipe, "", 0);
  return found;
}

const MOST = 100;
const LONGEST = 200;
const DEEPEST = 4;
