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
  let low = { size: least, tokens: needed }; // fits
  let high = { size: most + 1, tokens: Infinity }; // does not, or may not be
  let next = Math.max(guess, least + 1);
  for (let tries = 1; high.size - low.size > 1; tries++) {
    const size = Math.min(Math.max(next, low.size + 1), high.size - 1, 4 * low.size + guess);
    const measured = { size, tokens: await tokens(size) };
    const perPiece = (measured.tokens - needed) / (size - least);
    if (measured.tokens <= length) low = measured;
    else high = measured;
    // Tokens are nearly linear in the size; where that leads nowhere, halves do.
    const straight = Math.floor(low.size + (length - low.tokens) / perPiece);
    next = tries % 4 === 0 || !(perPiece > 0) ? (low.size + Math.min(high.size, 2 * low.size + 2)) >> 1 : straight;
  }
  return item(low.size);
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
