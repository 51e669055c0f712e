// With room enough every policy is the full cache, and a prompt that fits is kept.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { recipes } from "../../src/policy/index.ts";
import type { PolicyOptions } from "../../src/policy/policy.ts";
import { devices } from "../device/devices.ts";
import { bits, near } from "../support/compare.ts";
import { policyOf, run } from "./rig.ts";

/** Room for all, in each way that a recipe takes it. */
const ROOMY: Record<string, PolicyOptions[]> = {
  full: [{ cr: 1 }],
  dms: [{ cr: 1 }, { threshold: 1e9 }, { window: 200 }],
  "dms-budget": [{ budget: 200 }, { cr: 1 }],
  streaming: [
    { sinks: 2, recent: 200 },
    { sinks: 2, recent: 200, prefill: "sparse" },
    { sinks: 2, recent: 200, positions: "cache" },
    { cr: 1, tokens: 110 },
  ],
  h2o: [{ budget: 200 }, { cr: 1 }],
  tova: [{ budget: 200 }, { cr: 1, protect: "prompt" }],
  snapkv: [{ budget: 200 }, { budget: 200, every: 4 }],
  pyramidkv: [{ cr: 1 }, { budget: 200, every: 4 }],
  adakv: [{ cr: 1, every: 4 }],
  rkv: [{ budget: 200 }, { cr: 1, buffer: 1 }],
  vase: [{ budget: 200 }, { cr: 1, window: 8 }],
  epikv: [{ budget: 200 }, { cr: 1, tokens: 110 }],
  quest: [{ budget: 200 }],
  expected: [{ budget: 200 }],
  observed: [{ cr: 1 }],
  kvzip: [{ cr: 1 }],
  kvzap: [{ threshold: -1e9 }, { window: 200 }],
  knorm: [{ budget: 200, every: 3 }],
  keydiff: [{ cr: 1 }],
  random: [{ budget: 200 }, { cr: 1, every: 3 }],
};
/**
 * These keep keys in another order than the full cache, so sums differ by rounding:
 * labelled keys that still serve, and sinks.
 */
const reordered = (name: string, { window }: PolicyOptions): boolean => name === "streaming" || window === 200;
const LENGTHS = { prompt: 70, length: 110, layers: 3 };

test("every recipe is here", () => {
  assert.deepEqual(Object.keys(ROOMY).sort(), recipes.map(({ name }) => name).sort());
});

for (const candidate of devices)
  describe(candidate.name, () => {
    const outputs = async (policy: string, options: PolicyOptions): Promise<Float32Array[]> => {
      const device = candidate.open();
      const chain = await run(device, { seed: 8, chunk: 16, policy: policyOf(policy, options), ...LENGTHS });
      device.close();
      return chain.layers.flatMap(({ out }) => out);
    };
    let known: Promise<Float32Array[]> | null = null;
    const full = () => (known ??= outputs("full", {}));

    for (const [name, ways] of Object.entries(ROOMY))
      for (const options of ways) {
        const exact = !reordered(name, options);
        test(`${name} ${JSON.stringify(options)}: with room for all, the ${exact ? "bits of the" : "numbers of the"} full cache`, async () => {
          const [got, expected] = [await outputs(name, options), await full()];
          assert.equal(got.length, expected.length);
          for (const [i, row] of expected.entries())
            if (exact) assert.deepEqual(bits(got[i]), bits(row), `row ${i}`);
            else near(got[i], row, `row ${i}`, { relative: 0, absolute: 2e-4 });
        });
      }

    test("a prompt shorter than windows, sinks and budgets is kept whole", async () => {
      for (const [name, options] of [
        ["snapkv", { cr: 2, window: 32 }],
        ["pyramidkv", { cr: 2, window: 32 }],
        ["adakv", { cr: 2, window: 32 }],
        ["rkv", { budget: 8 }],
        ["vase", { budget: 8, window: 7 }],
        ["expected", { cr: 1, sinks: 4 }],
        ["random", { cr: 2, sinks: 4, recent: 8 }],
        ["observed", { budget: 9 }],
        ["kvzip", { cr: 2, sinks: 4 }],
        ["streaming", { sinks: 4, recent: 12 }],
        ["kvzap", { window: 32, threshold: 1e9 }],
      ] as [string, PolicyOptions][]) {
        const device = candidate.open();
        const chain = await run(device, { seed: 4, prompt: 3, length: 6, chunk: 3, policy: policyOf(name, options) });
        device.close();
        assert.deepEqual(
          chain.layers[0].kept[0],
          [
            [0, 1, 2],
            [0, 1, 2],
          ],
          name,
        );
      }
    });
  });
