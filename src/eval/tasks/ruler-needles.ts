// RULER's needles with distractors: multikey, multivalue, multiquery.
//
// Protocol: multikey hides the asked needle among others: variant 1, four in essays; 2, a haystack of needles; 3, the
// same with UUIDs as keys and values. multivalue asks for four values of one key, multiquery for one value of each of
// four keys, both in essays. The score is the share of values that the reply has. Different here: keys and values of a
// problem differ, needles are shuffled anew for each (RULER shuffles all alike), depths are any and not one of 40.
// Source: arXiv 2404.06654; github.com/NVIDIA/RULER, scripts/synthetic.yaml: niah_multikey_1 to 3, niah_multivalue,
// niah_multiquery.

import type { Setting, Settings, TaskRecipe } from "./recipe.ts";
import { essaySentences } from "./ruler/haystack.ts";
import { listWork } from "./ruler/listed.ts";
import { madeItems } from "./ruler/made.ts";
import { type NeedleShape, needleRecipe } from "./ruler/needles.ts";
import type { VoteWork } from "./task.ts";

export const LENGTH: Setting = {
  about: "tokens of the prompt and the reply",
  default: 4096,
  least: 128,
  most: 1 << 22,
};

type Shape = Omit<NeedleShape, "haystack" | "length" | "task" | "depth">;

const recipe = (name: string, summary: string, work: (settings: Settings) => VoteWork, variants = 1): TaskRecipe => ({
  name,
  kind: "vote",
  summary,
  source: "arXiv 2404.06654; github.com/NVIDIA/RULER",
  protocol: "RULER's; the share of values that the reply has",
  data: "a folder of .txt files, or haystack in it",
  settings: {
    length: LENGTH,
    ...(variants > 1 && {
      variant: { about: "1: in essays; 2: among needles; 3: UUIDs", default: 1, least: 1, most: 3 },
    }),
  },
  make: work,
});

const needles = (task: string, length: number, shape: Shape, essays = true): VoteWork =>
  listWork(async (options) => {
    const haystack = essays ? await essaySentences(options.data) : "needles";
    const whole: NeedleShape = { task, ...shape, haystack, length, depth: null };
    return madeItems(needleRecipe(whole), options);
  });

export const multikey = recipe(
  "multikey",
  "RULER: one number among needles with other keys",
  ({ length, variant }) =>
    variant === 1
      ? needles("multikey", length, { keys: 4, values: 1, queries: 1, uuids: false })
      : needles("multikey", length, { keys: 1, values: 1, queries: 1, uuids: variant === 3 }, false),
  3,
);

export const multivalue = recipe("multivalue", "RULER: four numbers of one key", ({ length }) =>
  needles("multivalue", length, { keys: 1, values: 4, queries: 1, uuids: false }),
);

export const multiquery = recipe("multiquery", "RULER: a number of each of four keys", ({ length }) =>
  needles("multiquery", length, { keys: 4, values: 1, queries: 4, uuids: false }),
);
