// What a task is: problems, how a model is asked, and what its reply is worth. Plain objects: one of your own will do.

import type { Sampling } from "../../engine/sampling.ts";
import type { Prompt } from "../../request/prompt.ts";
import type { Thinking } from "../../request/thinking.ts";
import { extractAnswer } from "../../scale/answer.ts";
import { answerKey } from "../../scale/key.ts";
import type { Judged } from "../code/judge.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";

/** Whether a model is asked through its chat template, or continues a text, as base models do. */
export type Style = "chat" | "text";

/** One problem. Tasks add fields of their own. */
export interface Item {
  id: string; // unique within a task
  question: string;
  gold: string;
  /** Subject, length, depth: problems that a table shows apart. */
  group?: string;
}

/** What a task makes its problems from. */
export interface ItemOptions {
  /** A file, or a folder in which it has its published name. Without: the Hub's cache. */
  data?: string;
  /** The Hub's cache, where it is not where Hugging Face's own programs look for it. */
  hub?: string;
  /** Which problems are chosen or made, and in which order choices are shown; default 0. */
  seed?: number;
  /** Most problems: of a file a seeded choice, in the file's order; default all. Of made ones, default 100. */
  count?: number;
  /** Default chat. */
  style?: Style;
  /** Tokens of a prompt as the model reads it: what tasks with a length in tokens need. */
  tokensOf?: (prompt: Prompt) => Promise<number>;
}

/** What a model gets. */
export interface Asked {
  prompt: Prompt;
  /** Most new tokens, where the caller says nothing else and the context has room. */
  maxTokens: number;
  /** Texts that end a reply. */
  stop?: readonly string[];
}

/** What a chain said, and what is known of how. */
export interface Reply {
  text: string;
  finished: boolean; // ended by itself
  thinking: Thinking | null; // tags; null where the model has none, or a text was continued
  opened: boolean; // the prompt opened the thinking
  style: Style;
}

/** What a reply answers; equal answers share their key. An `Extraction` of the vote is one. */
export type Answered = { kind: "answer"; text: string; key: string } | { kind: "abstain"; reason: string };

/** Whether an answer equals the gold, which comes first: a grader may be more lenient with one of them. */
export type Equal = (gold: string, answer: string) => boolean | Promise<boolean>;

/** What an answer is worth, where a grader knows more than a number. */
export interface Worth {
  score: number; // from 0 to 1
  /** What was found of the program that the answer is. */
  judged?: Judged;
  /** Why nothing is known of the answer: its chains are recorded as failed. */
  failed?: string;
}

/** What programs run on. */
export type ProgramPlace = Pick<Sandbox, "isolation" | "ownUid" | "python">;

export interface TaskHead {
  name: string;
  /** What it asks, in a line. */
  summary: string;
  /** Paper, and where the problems are published. */
  source: string;
  /** How the field asks and grades, and what is different here. */
  protocol: string;
}

/** Chains answer, and are graded or vote. */
export interface VoteTask<I extends Item = Item> extends TaskHead, VoteWork<I> {}

export interface VoteWork<I extends Item = Item> {
  kind: "vote";
  /** pass: answers can be checked, as programs can, so that one right chain is enough. Default: chains vote. */
  by?: "vote" | "pass";
  /** Whether answers that are equal in mathematics are one; default: where `extract` is `extractReply`. */
  merge?: boolean;
  /** Sampling that it is always asked with; default: what the checkpoint suggests. */
  sampling?: Partial<Sampling>;
  /** Throws `bad-file` that names the row, `bad-argument`. */
  items(options: ItemOptions): Promise<I[]>;
  ask(item: I, style: Style): Asked;
  extract(item: I, reply: Reply): Answered;
  /** From 0 to 1. A grade that takes long should end when the signal says so. */
  grade(
    item: I,
    answer: Answered & { kind: "answer" },
    equal: Equal,
    options?: { signal?: AbortSignal },
  ): Promise<number | Worth>;
  /** After which a grade is given up, and its chains recorded as failed; default 600. */
  gradeSeconds?: number;
  /** Of tasks of programs. Throws `unsupported` where nothing isolates them. */
  runsOn?(): Promise<ProgramPlace>;
}

/** A text, and continuations of which the likeliest is the model's choice. */
export interface ChoiceItem {
  id: string;
  context: string;
  choices: readonly string[]; // as they continue the context, blanks included
  right: number; // index
  group?: string;
}

export interface ChoiceTask extends TaskHead, ChoiceWork {}

export interface ChoiceWork {
  kind: "loglikelihood";
  items(options: ItemOptions): Promise<ChoiceItem[]>;
}

export interface TextItem {
  id: string;
  text: string;
}

/** Texts whose tokens a model foretells. */
export interface TextTask extends TaskHead, TextWork {}

export interface TextWork {
  kind: "perplexity";
  items(options: ItemOptions): Promise<TextItem[]>;
  /** Windows of a text, tokens of each, and how many of these are read before the first one that counts. */
  windows: { count: number; length: number; prefix: number };
}

export type Task = VoteTask | ChoiceTask | TextTask;

/** Equal on sight: one key. */
export const equalKeys: Equal = (gold, answer) => answerKey(gold) !== "" && answerKey(gold) === answerKey(answer);

/** The answer of a reply, as the vote takes it. */
export const extractReply = (_item: Item, { text, thinking, opened, finished }: Reply): Answered =>
  extractAnswer(text, { thinking, opened, finished });

/** 1 where an answer equals the gold, else 0. `equal` is asked only where their keys differ. */
export async function gradeAnswer(
  { gold }: Item,
  { text, key }: Answered & { kind: "answer" },
  equal: Equal,
): Promise<number> {
  return Number((key !== "" && key === answerKey(gold)) || (await equal(gold, text)));
}

/** What the cards of reasoning models say to ask with. */
export const BOXED = "Please reason step by step, and put your final answer within \\boxed{}.";

/** A question with that sentence, where it does not ask for a box itself. */
export const askForBox = (question: string): string =>
  question.includes("\\boxed") ? question : `${question}\n${BOXED}`;
