// Every policy beside its dense reference: settings in our words and in the reference's.
import type { PolicyOptions } from "../../src/policy/policy.ts";
import { dms } from "./dense/dms.ts";
import { dmsBudget } from "./dense/dmsBudget.ts";
import { expected } from "./dense/expected.ts";
import { full } from "./dense/full.ts";
import { h2o } from "./dense/h2o.ts";
import { keydiff } from "./dense/keydiff.ts";
import { knorm } from "./dense/knorm.ts";
import { observed } from "./dense/observed.ts";
import { quest } from "./dense/quest.ts";
import { random } from "./dense/random.ts";
import { rkv } from "./dense/rkv.ts";
import { snapkv } from "./dense/snapkv.ts";
import { streaming } from "./dense/streaming.ts";
import { tova } from "./dense/tova.ts";
import type { Kept, Trace } from "./dense/trace.ts";

export interface Case {
  name: string;
  policy: string;
  options: PolicyOptions;
  dense: (x: Trace) => Kept;
  /** What the newest query sees: the set after its own event (labels), or the one before and itself (cuts). */
  sees: "after" | "before";
  /** What stays in the prompt depends on where chunks end. */
  byChunk?: true;
  /** It keeps all and reads less: the reference gives what is read. */
  reads?: true;
}

/** While the prompt is read, each query already sees no more than sinks and window. */
const sparseStreaming = (x: Trace, sinks: number, recent: number): Kept =>
  Array.from({ length: x.length - x.prompt + 1 }, (_, event) => {
    const now = x.prompt - 1 + event;
    const live = Array.from({ length: now + 1 }, (_, i) => i).filter((i) => i < sinks || i > now - recent);
    return Array.from({ length: x.kvHeads }, () => live);
  });

export const cases: Case[] = [
  {
    name: "random, every 7",
    policy: "random",
    options: { budget: 18, sinks: 3, recent: 5, seed: 9, every: 7 },
    dense: (x) => random(x, { keys: 18, sinks: 3, recent: 5, seed: 9, every: 7 }),
    sees: "before",
  },
  {
    name: "kvzap",
    policy: "kvzap",
    options: { threshold: 0.2, window: 6 },
    dense: (x) => dms(x, { threshold: -0.2, window: 6, shift: 0, dense: false }),
    sees: "after",
  },
  {
    name: "kvzap, dense prefill",
    policy: "kvzap",
    options: { threshold: -0.1, window: 3, prefill: "dense" },
    dense: (x) => dms(x, { threshold: 0.1, window: 3, shift: 0, dense: true }),
    sees: "after",
  },
  {
    name: "streaming, sparse prefill",
    policy: "streaming",
    options: { sinks: 2, recent: 7, prefill: "sparse" },
    dense: (x) => sparseStreaming(x, 2, 7),
    sees: "after",
  },
  { name: "full", policy: "full", options: {}, dense: full, sees: "after" },
  {
    name: "dms",
    policy: "dms",
    options: { window: 4, threshold: 0.3 },
    dense: (x) => dms(x, { threshold: 0.3, window: 4, shift: 1, dense: false }),
    sees: "after",
  },
  {
    name: "dms, window 0",
    policy: "dms",
    options: { window: 0 },
    dense: (x) => dms(x, { threshold: 0, window: 0, shift: 1, dense: false }),
    sees: "after",
  },
  {
    name: "dms, dense prefill",
    policy: "dms",
    options: { window: 6, prefill: "dense" },
    dense: (x) => dms(x, { threshold: 0, window: 6, shift: 1, dense: true }),
    sees: "after",
  },
  {
    name: "dms-budget",
    policy: "dms-budget",
    options: { window: 3, budget: 12, buffer: 7 },
    dense: (x) => dmsBudget(x, { capacity: 19, keep: 8, window: 3, shift: 1 }),
    sees: "before",
    byChunk: true,
  },
  {
    name: "streaming",
    policy: "streaming",
    options: { sinks: 3, recent: 9 },
    dense: (x) => streaming(x, { sinks: 3, recent: 9 }),
    sees: "after",
  },
  {
    name: "h2o",
    policy: "h2o",
    options: { budget: 13, recent: 5 },
    dense: (x) => h2o(x, { heavy: 8, recent: 5 }),
    sees: "before",
  },
  { name: "tova", policy: "tova", options: { budget: 11 }, dense: (x) => tova(x, { budget: 11 }), sees: "before" },
  {
    name: "snapkv",
    policy: "snapkv",
    options: { budget: 17, window: 4, kernel: 5 },
    dense: (x) => snapkv(x, { cap: 17, window: 4, kernel: 5, every: 0 }),
    sees: "before",
  },
  {
    name: "snapkv, every 6",
    policy: "snapkv",
    options: { budget: 15, window: 8, kernel: 3, every: 6 },
    dense: (x) => snapkv(x, { cap: 15, window: 8, kernel: 3, every: 6 }),
    sees: "before",
  },
  {
    name: "rkv",
    policy: "rkv",
    options: { budget: 14, buffer: 5, window: 3, kernel: 7, lambda: 0.2 },
    dense: (x) => rkv(x, { budget: 14, buffer: 5, window: 3, kernel: 7, lambda: 0.2 }),
    sees: "before",
  },
  {
    name: "knorm",
    policy: "knorm",
    options: { budget: 16 },
    dense: (x) => knorm(x, { keys: 16, every: 0 }),
    sees: "before",
  },
  {
    name: "knorm, every 5",
    policy: "knorm",
    options: { budget: 16, every: 5 },
    dense: (x) => knorm(x, { keys: 16, every: 5 }),
    sees: "before",
  },
  {
    name: "keydiff, every 4",
    policy: "keydiff",
    options: { budget: 12, every: 4 },
    dense: (x) => keydiff(x, { keys: 12, every: 4 }),
    sees: "before",
  },
  {
    name: "observed",
    policy: "observed",
    options: { budget: 15 },
    dense: (x) => observed(x, { keys: 15 }),
    sees: "before",
  },
  {
    name: "expected",
    policy: "expected",
    options: { budget: 18, sinks: 2, future: 20, epsilon: 0.01 },
    dense: (x) => expected(x, { keys: 18, sinks: 2, future: 20, epsilon: 0.01 }),
    sees: "before",
  },
  {
    name: "quest",
    policy: "quest",
    options: { budget: 50 },
    dense: (x) => quest(x, { budget: 50, page: 16 }),
    sees: "after",
    reads: true,
  },
];
