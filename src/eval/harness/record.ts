// What an evaluation leaves in its folder: run.json, once, and chains.jsonl, a line a chain. Plain data, so that
// reports need neither engine nor model, and other programs may write or read them.

import type { ScalingBudget } from "../../scale/budget.ts";
import type { Judged } from "../code/judge.ts";
import type { ChainRow } from "../metrics/chain.ts";
import type { Loop } from "../metrics/loops.ts";
import type { ProgramPlace } from "../tasks/task.ts";

export const RECORD_VERSION = 1;
export const HEAD_FILE = "run.json";
export const CHAINS_FILE = "chains.jsonl";
/** Most characters of an id, a group, a spec. */
export const MOST_NAME = 500;

/** One model under one policy and one budget, on all problems of all tasks. */
export interface RecordedSetting extends ScalingBudget {
  /** Unique in a record: "dms 1k-8-4", or what its user called it. */
  id: string;
  /** As a user writes it: "dms", "snapkv:window=32". */
  policy: string;
  /** Name of its model in `models`. */
  model: string;
  /** Budgets of thinking of its own; absent: those of `sampling`. */
  thinkMost?: number;
  nudges?: number;
}

export interface RecordedModel {
  /** Unique in a record. */
  name: string;
  path: string; // as the user gave it
  adapters: readonly string[];
  /** sha256 of weights, config and tokenizer. */
  fingerprint: string;
}

export interface RecordedTask {
  /** As a user writes it: "gsm8k", "needle:length=2048". */
  spec: string;
  name: string;
  source: string;
  /** sha256 of the problems as they were asked, golds included. */
  fingerprint: string;
  problems: readonly { id: string; group?: string }[];
  /** What reads and grades replies: "hyperthink 0.1.0", or the sha256 of a module of the user's. Absent: not known. */
  code?: string;
  /**
   * vote: answers of chains; pass: one right chain is enough, as programs can be checked; value: no chains, and one
   * number as the score of chain 0: 1 where the likeliest choice is right.
   */
  kind: "vote" | "pass" | "value";
  /** Of kind value: a score is 1 / the perplexity of one window of a text. */
  measure?: "perplexity";
  /** Of programs: how they were isolated, whether they ran as this process's user, and on which Python. */
  programs?: ProgramPlace;
}

/** What a record is of: an evaluation that goes on in the same folder must be of the same. */
export interface RecordHead {
  version: typeof RECORD_VERSION;
  models: readonly RecordedModel[];
  tasks: readonly RecordedTask[];
  settings: readonly RecordedSetting[];
  seed: number;
  /** Of chains: temperature, what ends them and so on; null: what the task or checkpoint says. */
  sampling: Record<string, number | string | null>;
  /** Device, instruction set and types of numbers: what equal bits depend on. */
  machine: { device: string; isa: string; dtype: string };
  /**
   * Wall time of all programs that ran it, as each was batched, from when they opened the folder: of one that was
   * killed up to its last note, some seconds before. Absent: an older program ran a part of it.
   */
  seconds?: number;
}

/** Whether two records say different things where both say one: older programs did not write all fields. */
export const areOther = <T>(before: T | undefined, after: T | undefined): boolean =>
  before !== undefined && after !== undefined && before !== after;

/** A line of chains.jsonl. */
export interface RecordedChain extends ChainRow {
  task: string; // a task's spec
  setting: string; // a setting's id
  seed: number; // of the problem's chains, which their indices set apart, as in `scale`
  text: string;
  /** The answer as the chain wrote it; null: it abstained, because of `why`. */
  answer: string | null;
  why: string | null;
  /** Of programs: what was found of the answer. Its detail is untrusted text. */
  judged?: Judged;
  loop: Loop | null;
}
