// What inference-time scaling spends, as arXiv 2506.05345 writes it: length, width and compression ratio.
import { badArgument } from "../base/errors.ts";

/** L-W-CR: `width` chains of up to `length` new tokens each, whose cache is `cr` times smaller. */
export interface ScalingBudget {
  length: number;
  width: number;
  cr: number; // 1: the full cache
}

const FORM = /^(\d+(?:\.\d+)?)(k?)-(\d+)-(\d+(?:\.\d+)?)$/i;
const MOST_LENGTH = 1 << 24;
const MOST_WIDTH = 1024;

/** Whether a text is meant as one. */
export const isScalingBudget = (text: string): boolean => /^[\d.]+k?-/i.test(text);

/** "32k-8-4"; k is 1024 tokens. Throws `bad-argument`. */
export function scalingBudget(text: string): ScalingBudget {
  const [, number, unit, width, cr] = FORM.exec(text.trim()) ?? [];
  const budget = { length: Number(number) * (unit ? 1024 : 1), width: Number(width), cr: Number(cr) };
  const { length } = budget;
  const whole = Number.isInteger(length) && length >= 1 && length <= MOST_LENGTH;
  if (!(whole && budget.width >= 1 && budget.width <= MOST_WIDTH && budget.cr >= 1))
    throw badArgument(
      `budget "${text}": expected LENGTH-WIDTH-CR such as 32k-8-4, with 1 to ${MOST_LENGTH} tokens, 1 to ${MOST_WIDTH} chains and a ratio from 1`,
    );
  return budget;
}

/** A list such as "8k-1-1,8k-8-4"; each one once. Throws `bad-argument`. */
export function scalingBudgets(text: string): ScalingBudget[] {
  const budgets = text.split(",").map(scalingBudget);
  const names = budgets.map(budgetName);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw badArgument(`budgets: expected each once, got ${twice} twice`);
  return budgets;
}

export const budgetName = ({ length, width, cr }: ScalingBudget): string =>
  `${length % 1024 === 0 ? `${length / 1024}k` : length}-${width}-${cr}`;

/** What `scale` is told of it. */
export const budgetOptions = ({ length, width, cr }: ScalingBudget) => ({
  maxTokens: length,
  width,
  ...(cr > 1 ? { cr } : {}),
});
