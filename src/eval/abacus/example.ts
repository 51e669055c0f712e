// What the abacus model is trained on: problems with a solution, as text and as tokens.

import { badArgument } from "../../base/errors.ts";
import { type Seeded, seeded } from "../../base/rng.ts";
import { isHeldOut } from "./held-out.ts";
import { abacusProblem } from "./problem.ts";
import { answerTokens, promptTokens } from "./sentences.ts";
import { quotes, trace } from "./trace.ts";
import { NAMES, TOKENS, textOf } from "./vocabulary.ts";

export interface AbacusOptions {
  /** Containers that are needed, from and to; all numbers are equally likely. Default 2 to 12. */
  steps?: readonly [number, number];
  /** Containers that are not. Default 0 to 10. */
  distractors?: readonly [number, number];
  /**
   * Chance that a written product or sum is wrong, and a third of it while re-checking; or a list by pass, whose last
   * one holds for all later passes. Default 0.03.
   */
  slip?: number | readonly number[];
  /** Weights of 0, 1, .. re-checks. Default 0.25, 0.25, 0.2, 0.15, 0.15. */
  checks?: readonly number[];
  /** More re-checks where one differs from the pass before it, until one agrees. */
  settle?: boolean;
  /** Slips are shown and repaired, but not learned: the model makes its own. */
  unlearned?: boolean;
  /** Share of solutions whose thinking is cut off anywhere. Default 0.1. */
  cut?: number;
  /** The solution ends after the quotes, and has no answer. */
  quotesOnly?: boolean;
}

export interface AbacusExample {
  prompt: string;
  completion: string;
  /** Tokens of the thinking before it was cut off; null where it ended by itself. */
  cutAt: number | null;
  answer: number; // of the problem
  said: number | null; // in the box; null where there is none
  correct: boolean;
}

/** A training sequence. */
export interface AbacusPiece {
  ids: Int32Array;
  learn: Uint8Array; // 1: to be predicted from those before it
}

/** Most tokens of prompt and solution together. */
export const ABACUS_CONTEXT = 1536;

/** A problem with a solution. Throws `bad-argument` for ranges, chances or weights that are none. */
export function abacusExample(rng: Seeded, options: AbacusOptions = {}): AbacusExample {
  const { prompt, completion, slips, ...rest } = drawn(rng, options);
  return { prompt: textOf(prompt), completion: textOf(completion), ...rest };
}

/**
 * Sequence `index` of those of `seed` (32-bit whole numbers): a function of the two and the options, whatever else was
 * drawn. Prompts are not learned, as nothing foretells their facts, nor what stands before a cut, nor the cut itself.
 * Its problem is none of `abacusProblems`. Throws as `abacusExample`.
 */
export function abacusPiece(index: number, seed: number, options: AbacusOptions = {}): AbacusPiece {
  const { prompt, completion, slips, cutAt } = drawn(seeded(seed, TRAINING, index), options);
  const ids = Int32Array.from([...prompt, ...completion]);
  const given = prompt.length + (cutAt === null ? 0 : cutAt + CUT.length);
  const learn = new Uint8Array(ids.length).fill(1, given);
  if (options.unlearned && cutAt === null) for (const place of slips) learn[prompt.length + place] = 0;
  return { ids, learn };
}

/** A pass of so many steps fits into the context beside any prompt. */
const MOST_STEPS = 20;

const TRAINING = 0x0abac001;

/** What ends a thinking that is cut off. It is put there, not drawn: the model learns what comes after it. */
const CUT = [TOKENS.newline, TOKENS.endOfThinking];

const DEFAULTS = {
  steps: [2, 12],
  distractors: [0, 10],
  slip: 0.03,
  checks: [0.25, 0.25, 0.2, 0.15, 0.15],
  settle: false,
  unlearned: false,
  cut: 0.1,
  quotesOnly: false,
} satisfies AbacusOptions;

interface Drawn extends Omit<AbacusExample, "prompt" | "completion"> {
  prompt: number[];
  completion: number[];
  slips: readonly number[]; // places in the completion
}

function drawn(rng: Seeded, options: AbacusOptions): Drawn {
  const { steps, distractors, slip, checks, settle, cut, quotesOnly } = checked({ ...DEFAULTS, ...options });
  const shape = { steps: within(rng, steps), distractors: within(rng, distractors) };
  let problem = abacusProblem(rng, shape);
  while (isHeldOut(problem)) problem = abacusProblem(rng, shape);
  const { answer } = problem;
  const prompt = promptTokens(problem);
  if (quotesOnly) {
    const completion = quotes(rng, problem);
    return { prompt, completion, slips: [], cutAt: null, answer, said: null, correct: false };
  }
  const slips = typeof slip === "number" ? [slip, slip / 3] : slip;
  const most = ABACUS_CONTEXT - prompt.length - answerTokens(100_000).length - CUT.length;
  const traced = trace(rng, problem, { slips, checks: weighted(rng, checks), settle, most });
  const { ids, results } = traced;
  const cutAt = rng.next() < cut ? rng.below(ids.length) : null;
  // Without a value there is nothing to go by: what is right is the best guess.
  const newest = results.findLast(({ end }) => end <= (cutAt ?? ids.length));
  const said = newest?.value ?? answer;
  const thinking = cutAt === null ? ids : [...ids.slice(0, cutAt), TOKENS.newline];
  const completion = [...thinking, ...answerTokens(said)];
  return { prompt, completion, slips: traced.slips, cutAt, answer, said, correct: said === answer };
}

const within = (rng: Seeded, [low, high]: readonly [number, number]): number => low + rng.below(high - low + 1);

/** An index, as likely as its weight is large. */
function weighted(rng: Seeded, weights: readonly number[]): number {
  const place = rng.next() * weights.reduce((sum, weight) => sum + weight, 0);
  let sum = 0;
  return weights.findIndex((weight) => {
    sum += weight;
    return place < sum;
  });
}

function checked(options: Required<AbacusOptions>): Required<AbacusOptions> {
  const { steps, distractors, slip, checks, cut } = options;
  const ranges = { steps: [steps, 1, MOST_STEPS], distractors: [distractors, 0, NAMES.length - steps[1]] } as const;
  for (const [name, [[low, high], least, most]] of Object.entries(ranges))
    if (!(Number.isInteger(low) && Number.isInteger(high) && low >= least && low <= high && high <= most))
      throw badArgument(`${name}: expected from and to, whole numbers from ${least} to ${most}, got ${low}, ${high}`);
  const slips = typeof slip === "number" ? [slip] : slip;
  if (slips.length === 0 || [...slips, cut].some((chance) => !(chance >= 0 && chance <= 1)))
    throw badArgument(`slip and cut: expected chances from 0 to 1, got ${slips.join(", ") || "none"}; ${cut}`);
  if (checks.some((weight) => !(weight >= 0 && weight < Infinity)) || !checks.some((weight) => weight > 0))
    throw badArgument(`checks: expected weights from 0, not all of them 0, got ${checks.join(", ") || "none"}`);
  return options;
}
