// Cuts at the prompt's end, some of them again every n tokens.
import { expected } from "../dense/expected.ts";
import { keydiff } from "../dense/keydiff.ts";
import { knorm } from "../dense/knorm.ts";
import { type KvzipSettings, kvzip } from "../dense/kvzip.ts";
import { observed } from "../dense/observed.ts";
import { random } from "../dense/random.ts";
import { snapkv } from "../dense/snapkv.ts";
import { replay, type Trace } from "../dense/trace.ts";
import type { Case } from "./case.ts";

/** KVzip keeps what it chose at the prompt's end, and every key that comes later. */
function zip(settings: KvzipSettings): Case["dense"] {
  const known = new WeakMap<Trace[][], number[][][]>(); // of all layers
  return (x, { layer, replays }) => {
    const kept = known.get(replays) ?? kvzip(x.prompt, replays, settings);
    known.set(replays, kept);
    return replay(x, (live, head, _, event) => (event > 0 ? live : kept[layer][head]));
  };
}

export const once: Case[] = [
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
    name: "snapkv, every 5, protect 6",
    policy: "snapkv",
    options: { budget: 15, window: 4, kernel: 3, every: 5, protect: 6 },
    dense: (x) => snapkv(x, { cap: 15, window: 4, kernel: 3, every: 5, protect: 6 }),
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
    name: "keydiff, every 4, protect prompt",
    policy: "keydiff",
    options: { budget: 60, every: 4, protect: "prompt" },
    dense: (x) => keydiff(x, { keys: 60, every: 4, protect: x.prompt }),
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
    name: "random, every 7",
    policy: "random",
    options: { budget: 18, sinks: 3, recent: 5, seed: 9, every: 7 },
    dense: (x) => random(x, { keys: 18, sinks: 3, recent: 5, seed: 9, every: 7 }),
    sees: "before",
  },
  {
    name: "random, every 3, protect prompt", // arXiv 2609.03430: what was decoded is thinned out, never the question
    policy: "random",
    options: { budget: 50, sinks: 3, recent: 4, seed: 5, every: 3, protect: "prompt" },
    dense: (x, { layer }) => random(x, { keys: 50, sinks: x.prompt, recent: 4, seed: 5, every: 3, layer }),
    sees: "before",
    layers: 2,
  },
  {
    name: "kvzip",
    policy: "kvzip",
    options: { budget: 17 },
    dense: zip({ keys: 17, sinks: 4, protect: 0, chunk: 2048 }),
    sees: "before",
    layers: 2,
    ragged: true,
    replay: 2048,
  },
  {
    name: "kvzip, in pieces, protect 9",
    policy: "kvzip",
    options: { budget: 14, sinks: 3, protect: 9 },
    dense: zip({ keys: 14, sinks: 3, protect: 9, chunk: 23 }),
    sees: "before",
    layers: 2,
    ragged: true,
    replay: 23,
  },
];
