// Gates, StreamingLLM, and what evicts nothing.
import { dms } from "../dense/dms.ts";
import { full } from "../dense/full.ts";
import { quest } from "../dense/quest.ts";
import { inCache, streaming } from "../dense/streaming.ts";
import type { Case } from "./case.ts";

export const labels: Case[] = [
  { name: "full", policy: "full", options: {}, dense: full, sees: "after" },
  {
    name: "dms",
    policy: "dms",
    options: { window: 4, threshold: 0.3 },
    dense: (x) => dms(x, { threshold: 0.3, window: 4, shift: 1, dense: false }),
    sees: "after",
    prompt: "after",
  },
  {
    name: "dms, window 0",
    policy: "dms",
    options: { window: 0 },
    dense: (x) => dms(x, { threshold: 0, window: 0, shift: 1, dense: false }),
    sees: "after",
    prompt: "after",
  },
  {
    name: "dms, dense prefill",
    policy: "dms",
    options: { window: 6, prefill: "dense" },
    dense: (x) => dms(x, { threshold: 0, window: 6, shift: 1, dense: true }),
    sees: "after",
  },
  {
    name: "dms, protect 11",
    policy: "dms",
    options: { window: 3, protect: 11 },
    dense: (x) => dms(x, { threshold: 0, window: 3, shift: 1, dense: false, protect: 11 }),
    sees: "after",
    prompt: "after",
  },
  {
    name: "dms, protect prompt",
    policy: "dms",
    options: { window: 3, protect: "prompt" },
    dense: (x) => dms(x, { threshold: 0, window: 3, shift: 1, dense: false, protect: x.prompt }),
    sees: "after",
    prompt: "after",
  },
  {
    name: "kvzap",
    policy: "kvzap",
    options: { threshold: 0.2, window: 6 },
    dense: (x) => dms(x, { threshold: -0.2, window: 6, shift: 0, dense: false }),
    sees: "after",
    prompt: "after",
  },
  {
    name: "kvzap, dense prefill",
    policy: "kvzap",
    options: { threshold: -0.1, window: 3, prefill: "dense" },
    dense: (x) => dms(x, { threshold: 0.1, window: 3, shift: 0, dense: true }),
    sees: "after",
  },
  {
    name: "kvzap, protect 11",
    policy: "kvzap",
    options: { threshold: 0.2, window: 6, protect: 11 },
    dense: (x) => dms(x, { threshold: -0.2, window: 6, shift: 0, dense: false, protect: 11 }),
    sees: "after",
    prompt: "after",
  },
  {
    name: "kvzap, protect prompt",
    policy: "kvzap",
    options: { threshold: 0.2, window: 2, protect: "prompt", prefill: "dense" },
    dense: (x) => dms(x, { threshold: -0.2, window: 2, shift: 0, dense: true, protect: x.prompt }),
    sees: "after",
  },
  {
    name: "streaming",
    policy: "streaming",
    options: { sinks: 3, recent: 9 },
    dense: (x) => streaming(x, { sinks: 3, recent: 9 }),
    sees: "after",
  },
  {
    name: "streaming, sparse prefill",
    policy: "streaming",
    options: { sinks: 2, recent: 7, prefill: "sparse" },
    dense: (x) => streaming(x, { sinks: 2, recent: 7, sparse: true }),
    sees: "after",
    prompt: "after",
  },
  {
    name: "streaming, positions in the cache",
    policy: "streaming",
    options: { sinks: 3, recent: 9, positions: "cache" },
    dense: (x) => streaming(x, { sinks: 3, recent: 9 }),
    sees: "after",
    weights: inCache,
    tolerance: 1e-4, // the reference turns keys back and forth in float32
  },
  {
    name: "quest",
    policy: "quest",
    options: { budget: 50 },
    dense: (x, { layer }) => (layer < 2 ? full(x) : quest(x, { budget: 50, page: 16 })),
    sees: "after",
    reads: true,
    layers: 3, // of which it reads two whole
  },
];
