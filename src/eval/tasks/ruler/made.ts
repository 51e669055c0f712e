// Problems that are made as long as a number of tokens allows.

import { badArgument } from "../../../base/errors.ts";
import { type Seeded, seeded } from "../../../base/rng.ts";
import type { ItemOptions } from "../task.ts";
import { askForList, type ListItem, newTokens } from "./listed.ts";

export interface Recipe {
  task: string;
  /** Sets its random numbers apart from those of other tasks. */
  purpose: number;
  /** Tokens of the prompt, as the model reads it, and of the reply. */
  length: number;
  /** New tokens that a base model may write. */
  replyTokens: number;
  /** Sizes from where to where, and one to begin with. */
  least: number;
  most: number;
  guess: number;
  /** A problem with so much around it that `size` says; the same for the same numbers. */
  make: (rng: Seeded, size: number) => Omit<ListItem, "id" | "maxTokens">;
}

/** Problems 0 to `count` - 1 of a seed, default 100; each is the same whatever the count is. */
export async function madeItems(recipe: Recipe, options: ItemOptions): Promise<ListItem[]> {
  const items: ListItem[] = [];
  for (let i = 0; i < (options.count ?? 100); i++) items.push(await madeItem(recipe, i, options));
  return items;
}

/**
 * Problem `index` of a seed, the largest that fits. Throws `bad-argument` where the smallest does not, or nobody counts
 * tokens.
 */
export async function madeItem(recipe: Recipe, index: number, options: ItemOptions): Promise<ListItem> {
  const { task, purpose, length, replyTokens, least, most, guess } = recipe;
  const { tokensOf, style = "chat", seed = 0 } = options;
  if (!tokensOf) throw badArgument(`task ${task} has a length in tokens: expected a model's tokenizer, got none`);
  const maxTokens = newTokens(style, replyTokens);
  const item = (size: number): ListItem => ({
    id: String(index),
    maxTokens,
    ...recipe.make(seeded(seed, purpose, index), size),
  });
  const tokens = async (size: number) => (await tokensOf(askForList(item(size), style).prompt)) + maxTokens;
  const needed = await tokens(least);
  if (needed > length)
    throw badArgument(`task ${task}: expected a length of at least ${needed} tokens, got ${length}; raise it`);
  let [low, high] = [least, most + 1]; // low fits; high does not, or may not be
  for (let step = Math.max(1, guess - least); low + step < high; step *= 2) {
    if ((await tokens(low + step)) <= length) low += step;
    else high = low + step;
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((await tokens(middle)) <= length) low = middle;
    else high = middle;
  }
  return item(low);
}

/** What `draw` draws first that was not drawn before. */
export function fresh(taken: Set<string>, draw: () => string): string {
  for (;;) {
    const word = draw();
    if (taken.has(word)) continue;
    taken.add(word);
    return word;
  }
}
