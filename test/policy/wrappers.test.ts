// The pyramid's budgets beside the authors' rule; what they and other wrappers keep stands in kept.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makePolicy } from "../../src/policy/index.ts";
import { pyramidBudgets } from "./dense/pyramid.ts";
import { range } from "./dense/trace.ts";

test("pyramid: the authors' budgets over lengths, ratios, windows and depths", () => {
  let fell = 0;
  for (const prompt of [20, 64, 100, 333, 2000])
    for (const cr of [1.5, 2, 4, 8])
      for (const [window, beta] of [
        [4, 20],
        [16, 20],
        [32, 5],
      ])
        for (const layers of [2, 3, 28]) {
          const policy = makePolicy("pyramidkv", { dms: null, layers }, { cr, window, pyramid: beta });
          const got = range(0, layers).map((layer) =>
            policy.cut!.budget({ layer, head: 0, layers, kvHeads: 2, prompt, tokens: prompt + 100 }),
          );
          const expected = pyramidBudgets(prompt, layers, cr, window, beta);
          // Where it falls back to equal budgets ours are rounded down, to reach the ratio, and theirs to nearest.
          const equal = new Set(expected).size === 1;
          for (const [l, budget] of got.entries())
            assert.ok(
              equal ? Math.abs(budget - expected[l]) <= 1 : budget === expected[l],
              `${prompt} ${cr} ${window} ${beta} ${layers}: ${got} ${expected}`,
            );
          if (!equal) fell++;
        }
  assert.ok(fell > 20, `only ${fell} pyramids were no boxes`);
});
