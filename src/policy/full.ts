import { KEEP_ALL, refuse } from "./options.ts";
import type { Recipe } from "./policy.ts";

/** Keeps every key: live(t) = { i <= t }. */
export const full: Recipe = {
  name: "full",
  summary: "keeps every key",
  paper: null,
  watches: "nothing",
  acts: "never",
  budgets: [],
  settings: { cr: "1: what it keeps anyway" },
  make(_model, options) {
    if (options.cr !== undefined && options.cr !== 1)
      throw refuse("full", "--cr 1 or none (it keeps everything)", options.cr);
    return { ...KEEP_ALL, name: "full", key: "full" };
  },
};
