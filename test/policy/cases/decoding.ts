// Cuts whenever a lane is full.
import { dmsBudget } from "../dense/dmsBudget.ts";
import { epikv } from "../dense/epikv.ts";
import { h2o } from "../dense/h2o.ts";
import { rkv } from "../dense/rkv.ts";
import { tova } from "../dense/tova.ts";
import { vase } from "../dense/vase.ts";
import type { Case } from "./case.ts";

export const decoding: Case[] = [
  {
    name: "dms-budget",
    policy: "dms-budget",
    options: { window: 3, budget: 12, buffer: 7 },
    dense: (x, { chunk }) => dmsBudget(x, { capacity: 19, keep: 8, window: 3, shift: 1, chunk }),
    sees: "before",
    prompt: "unknown",
  },
  {
    name: "dms-budget, protect 5",
    policy: "dms-budget",
    options: { window: 2, budget: 13, buffer: 4, protect: 5 },
    dense: (x, { chunk }) => dmsBudget(x, { capacity: 17, keep: 10, window: 2, shift: 1, chunk, protect: 5 }),
    sees: "before",
    prompt: "unknown",
  },
  {
    name: "h2o",
    policy: "h2o",
    options: { budget: 13, recent: 5 },
    dense: (x) => h2o(x, { heavy: 8, recent: 5 }),
    sees: "before",
  },
  {
    name: "h2o, protect 6",
    policy: "h2o",
    options: { budget: 13, recent: 3, protect: 6 },
    dense: (x) => h2o(x, { heavy: 10, recent: 3, protect: 6 }),
    sees: "before",
  },
  {
    name: "h2o, protect prompt",
    policy: "h2o",
    options: { budget: 50, recent: 4, protect: "prompt" },
    dense: (x) => h2o(x, { heavy: 46, recent: 4, protect: x.prompt }),
    sees: "before",
  },
  { name: "tova", policy: "tova", options: { budget: 11 }, dense: (x) => tova(x, { budget: 11 }), sees: "before" },
  {
    name: "tova, protect 4",
    policy: "tova",
    options: { budget: 11, protect: 4 },
    dense: (x) => tova(x, { budget: 11, protect: 4 }),
    sees: "before",
  },
  {
    name: "tova, protect prompt",
    policy: "tova",
    options: { budget: 50, protect: "prompt" },
    dense: (x) => tova(x, { budget: 50, protect: x.prompt }),
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
    name: "rkv, protect 5",
    policy: "rkv",
    options: { budget: 14, buffer: 4, window: 3, kernel: 5, lambda: 0.3, protect: 5 },
    dense: (x) => rkv(x, { budget: 14, buffer: 4, window: 3, kernel: 5, lambda: 0.3, protect: 5 }),
    sees: "before",
  },
  {
    name: "rkv, protect prompt",
    policy: "rkv",
    options: { budget: 50, buffer: 4, window: 3, kernel: 5, lambda: 0.3, protect: "prompt" },
    dense: (x) => rkv(x, { budget: 50, buffer: 4, window: 3, kernel: 5, lambda: 0.3, protect: x.prompt }),
    sees: "before",
  },
  {
    name: "vase",
    policy: "vase",
    options: { budget: 20, window: 5, large: 0.4, kernel: 3, sinks: 2, seed: 3 },
    dense: (x) => vase(x, { budget: 20, window: 5, large: 8, kernel: 3, sinks: 2, seed: 3 }),
    sees: "before",
  },
  {
    name: "vase, two layers, no sinks",
    policy: "vase",
    options: { budget: 23, window: 4, sinks: 0 },
    dense: (x, { layer }) => vase(x, { budget: 23, window: 4, large: 5, kernel: 5, sinks: 0, seed: 0, layer }),
    sees: "before",
    layers: 2,
  },
  {
    name: "vase, protect prompt",
    policy: "vase",
    options: { budget: 50, window: 3, large: 0.9, protect: "prompt" },
    dense: (x) => vase(x, { budget: 50, window: 3, large: 45, kernel: 5, sinks: x.prompt, seed: 0 }),
    sees: "before",
  },
  {
    name: "epikv",
    policy: "epikv",
    options: { budget: 60, recent: 4, window: 9 },
    dense: (x, { traces }) => epikv(x, { keys: 60, recent: 4, window: 9, early: traces[1].x, late: traces[2].x }),
    sees: "before",
    layers: 3,
  },
  {
    name: "epikv, other layers",
    policy: "epikv",
    options: { budget: 48, early: 0, late: 1 },
    dense: (x, { traces }) => epikv(x, { keys: 48, recent: 12, window: 64, early: traces[0].x, late: traces[1].x }),
    sees: "before",
    layers: 3,
  },
];
