// Budgets that fall with depth or are shared by a layer's heads.
import { pooled } from "../dense/ada.ts";
import { knormScores } from "../dense/knorm.ts";
import { pyramidBudgets } from "../dense/pyramid.ts";
import { snapkv, snapkvScores } from "../dense/snapkv.ts";
import type { Trace } from "../dense/trace.ts";
import type { Case, Place } from "./case.ts";

/** The pyramid's budget where `keys` is the mean and `tokens` what it is a share of. */
const level = (tokens: number, keys: number, window: number, beta: number, { layer, layers }: Place): number =>
  pyramidBudgets(tokens, layers, tokens / keys, window, beta)[layer];

const snap =
  (x: Trace, window: number, kernel: number) =>
  (live: number[], head: number, now: number): number[] =>
    snapkvScores(x, { window, kernel }, live, head, now);

export const wrapped: Case[] = [
  {
    name: "pyramidkv",
    policy: "pyramidkv",
    options: { budget: 18, window: 4, pyramid: 3 },
    dense: (x, place) => snapkv(x, { cap: level(x.prompt, 18, 4, 3, place), window: 4, kernel: 5, every: 0 }),
    sees: "before",
    layers: 3,
  },
  {
    name: "pyramidkv, every 6",
    policy: "pyramidkv",
    options: { budget: 24, window: 3, kernel: 3, pyramid: 6, every: 6 },
    dense: (x, place) => snapkv(x, { cap: level(x.length, 24, 3, 6, place), window: 3, kernel: 3, every: 6 }),
    sees: "before",
    layers: 3,
  },
  {
    name: "adakv",
    policy: "adakv",
    options: { budget: 17, window: 4 },
    dense: (x) => pooled(x, { budget: 17, share: 0.2, every: 0 }, snap(x, 4, 5)),
    sees: "before",
    ragged: true,
  },
  {
    name: "adakv, every 6",
    policy: "adakv",
    options: { budget: 15, window: 3, kernel: 3, ada: 0.8, every: 6 },
    dense: (x) => pooled(x, { budget: 15, share: 0.8, every: 6 }, snap(x, 3, 3)),
    sees: "before",
    ragged: true,
  },
  {
    name: "knorm, ada, every 5",
    policy: "knorm",
    options: { budget: 20, ada: 0.95, every: 5 }, // a high floor, as these norms are much alike
    dense: (x) => pooled(x, { budget: 20, share: 0.95, every: 5 }, (live, head) => knormScores(x, head, live)),
    sees: "before",
    ragged: true,
  },
  {
    name: "snapkv, ada and pyramid, every 7",
    policy: "snapkv",
    options: { budget: 20, window: 3, kernel: 5, pyramid: 4, ada: 0.3, every: 7 },
    dense: (x, place) => pooled(x, { budget: level(x.length, 20, 3, 4, place), share: 0.3, every: 7 }, snap(x, 3, 5)),
    sees: "before",
    layers: 3,
    ragged: true,
  },
];
