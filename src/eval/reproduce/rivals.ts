// What dms is compared with, and by which setting each is brought to its compression ratio.
//
// Windows and buffers are an eighth to a half of their authors', whose models keep thousands of keys: here about a
// hundred live, and a buffer of 128 would leave no budget.

import { withSetting } from "../../policy/spec.ts";
import type { Knob } from "./calibrate.ts";

export interface Rival {
  name: string;
  /** Without the setting that is calibrated. */
  policy: string;
  /** Whether it needs the gates of a retrofit, of the same ratio. */
  gated: boolean;
  knob: Knob;
  /** What a reader must know to compare it. */
  note: string;
}

/**
 * `live`: keys that dms keeps, a mean over its steps, with which a budget's search begins; `length`: most new tokens.
 */
export function rivalsOf(length: number, live: number): Rival[] {
  const budget = (least: number): Knob => ({
    ...{ name: "budget", gentle: 2 * length, harsh: least, step: 1, log: true },
    start: Math.max(least, Math.min(2 * length, Math.round(live))),
  });
  const free = (name: string, policy: string, least: number, note = ""): Rival => ({
    ...{ name, policy, gated: false, knob: budget(least), note },
  });
  const whole = (name: string, policy: string, start: number, note: string): Rival => ({
    ...{ name, policy, gated: false, note },
    knob: { name: "cr", gentle: 1.05, harsh: 16, start, step: 0.05, log: true },
  });
  return [
    { ...free("dms-budget", "dms-budget", 18, "dms's gates, a fixed budget"), gated: true },
    free("streaming", "streaming", 5),
    free("h2o", "h2o", 2),
    free("tova", "tova", 1),
    free(
      "snapkv",
      "snapkv:window=16",
      16,
      "cuts the prompt alone: what is decoded stays, so that a long chain is hardly compressed",
    ),
    free("snapkv while decoding", "snapkv:window=16,every=16", 16, "cuts again after every 16 tokens"),
    free("rkv", "rkv:buffer=16", 8, "buffer of 16 keys, not 128"),
    free("vase", "vase:window=16", 17, "window of 16 keys, not 64"),
    free("random", "random:every=16", 12, "sinks, 8 recent keys, others at random"),
    whole(
      "random, prompt kept",
      "random:every=16,protect=prompt",
      4,
      "no budget below the longest prompt: the whole of it stays",
    ),
    whole("epikv", "epikv", 11, "keeps the whole prompt: this ratio leaves a chain few keys beside it"),
  ];
}

/** Policies that are no rivals here, and why. */
export const LEFT_OUT: readonly { names: readonly string[]; why: string }[] = [
  {
    names: ["expected", "observed", "kvzip", "knorm", "keydiff", "pyramidkv", "adakv"],
    why: "unless told otherwise they cut the prompt alone, a small part of what these chains keep; snapkv shows what comes of both",
  },
  { names: ["kvzap"], why: "it needs a probe that was fitted to the model, and abacus has none" },
  { names: ["quest"], why: "it evicts nothing: it reads less, from a cache as large as the full one" },
];

/** "a, b: UNRUN, as ..", a sentence for each reason. */
export const unrunRemarks = (leftOut: typeof LEFT_OUT): string[] =>
  leftOut.map(({ names, why }) => `${names.join(", ")}: UNRUN, as ${why}.`);

/** A policy at a value of its knob. */
export const policyAt = (policy: string, { name }: Knob, value: number): string => withSetting(policy, name, value);

/** Gates that are asked for more or less than they were trained for. Their logits reach far. */
export const threshold: Knob = { name: "threshold", gentle: 60, harsh: -20, start: 0, step: 0.05, log: false };
