import { visible } from "../base/visible.ts";
import type { Source } from "./source.ts";

/** The file in which this project's trainer says how it made a folder. */
export const RECIPE = "training.json";

type Word = string | number | boolean;

/**
 * A recipe's settings by dotted name, in its order; null: the folder has none. It is untrusted: numbers and words only,
 * so many and so long, and nothing that moves a cursor.
 */
export async function readRecipe(source: Source): Promise<Record<string, Word> | null> {
  const json = await source.json(RECIPE);
  if (json === null) return null;
  const found = new Map<string, Word>();
  const take = (value: unknown, name: string, depth: number): void => {
    if (found.size >= MOST) return;
    if (isWord(value)) found.set(name, typeof value === "string" ? shown(value) : value);
    else if (Array.isArray(value) && value.length > 0 && value.every(isWord))
      found.set(name, shown(value.slice(0, LONGEST).join(", ")));
    else if (typeof value === "object" && value !== null && depth < DEEPEST)
      for (const [key, item] of Object.entries(value))
        take(item, shown(name === "" ? key : `${name}.${key}`), depth + 1);
  };
  const { config: _, ...recipe } = json as Record<string, unknown>; // of the model: it stands in config.json
  take(recipe, "", 0);
  return Object.fromEntries(found);
}

const MOST = 100;
const LONGEST = 200;
const DEEPEST = 4;

const isWord = (value: unknown): value is Word => ["string", "number", "boolean"].includes(typeof value);
const shown = (text: string): string => visible(text.slice(0, LONGEST));
