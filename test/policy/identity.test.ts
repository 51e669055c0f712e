// What every policy owes: with room enough it is the full cache, and what it drops it frees.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { PolicyOptions } from "../../src/policy/policy.ts";
import { devices } from "../device/devices.ts";
import { PolicyRig, policyOf, run } from "./rig.ts";

const ROOMY: [string, PolicyOptions][] = [
  ["dms", { cr: 1 }],
  ["dms", { threshold: 1e9 }],
  ["dms-budget", { budget: 200 }],
  ["h2o", { budget: 200 }],
  ["tova", { budget: 200 }],
  ["snapkv", { budget: 200 }],
  ["snapkv", { budget: 200, every: 4 }],
  ["pyramidkv", { cr: 1 }],
  ["adakv", { cr: 1, every: 4 }],
  ["rkv", { budget: 200 }],
  ["quest", { budget: 200 }],
  ["expected", { budget: 200 }],
  ["observed", { cr: 1 }],
  ["kvzip", { cr: 1 }],
  ["kvzap", { threshold: -1e9 }],
  ["knorm", { budget: 200, every: 3 }],
  ["keydiff", { cr: 1 }],
  ["random", { budget: 200 }],
];
const LENGTHS = { prompt: 70, length: 110, layers: 2 };

const bits = (rows: Float32Array[]): Uint32Array[] =>
  rows.map((row) => new Uint32Array(row.buffer, row.byteOffset, row.length));

for (const candidate of devices)
  describe(candidate.name, () => {
    for (const [name, options] of ROOMY)
      test(`${name} ${JSON.stringify(options)}: with room for all, the bits of the full cache`, async () => {
        const of = async (policy: string, settings: PolicyOptions) => {
          const device = candidate.open();
          const life = await run(device, { seed: 8, chunk: 16, policy: policyOf(policy, settings), ...LENGTHS });
          device.close();
          return bits(life.out.slice(1)); // a replay of the prompt writes over the first row
        };
        assert.deepEqual(await of(name, options), await of("full", {}));
      });

    test("streaming with room for all: the full cache within 2e-4, as its keys lie in another order", async () => {
      const outs: Float32Array[][] = [];
      for (const policy of [policyOf("full", {}), policyOf("streaming", { sinks: 2, recent: 200 })]) {
        const device = candidate.open();
        outs.push((await run(device, { seed: 8, chunk: 16, policy, ...LENGTHS })).out);
        device.close();
      }
      const [a, b] = outs.map((rows) => rows.flatMap((row) => [...row]));
      for (const [i, x] of a.entries()) assert.ok(Math.abs(x - b[i]) < 2e-4);
    });

    for (const [spec, options, keys] of [
      ["snapkv", { budget: 40, window: 8 }, 40],
      ["expected", { budget: 40 }, 40],
      ["tova", { budget: 40 }, 40],
      ["h2o", { budget: 40 }, 40],
      ["rkv", { budget: 40, buffer: 20 }, 40],
      ["knorm", { cr: 4 }, 25],
      ["observed", { cr: 2 }, 50],
    ] as [string, PolicyOptions, number][])
      test(`${spec} ${JSON.stringify(options)}: pages fall to what lives, and the prompt's peak stands apart`, async () => {
        const device = candidate.open();
        const [prompt, length] = [100, 130];
        const rig = new PolicyRig(device, { seed: 2, prompt, length, chunk: 32, policy: policyOf(spec, options) });
        const { table } = rig.runner;
        const chain = rig.start();
        while (chain.life.trace.q.length < prompt) await rig.feed([chain]);
        // The newest key is pending, in no page.
        assert.deepEqual(rig.runner.beforeCut.get(chain.set), {
          live: prompt,
          pages: 2 * Math.ceil((prompt - 1) / 16),
        });
        assert.equal(table.meanLive(chain.set), keys);
        const archived = [0, 1].map((h) => table.device.archive.host[chain.set * 2 + h]);
        assert.equal(
          table.pagesOf(chain.set),
          archived.reduce((n, slots) => n + Math.ceil(slots / 16), 0),
        );
        assert.equal(table.pool.used, table.pagesOf(chain.set), "what was evicted serves other keys");
        for (let t = prompt; t < length; t++) await rig.feed([chain]);
        assert.equal(table.pool.used, table.pagesOf(chain.set));
        device.close();
      });

    test("a prompt shorter than windows, sinks and budgets is kept whole", async () => {
      for (const [name, options] of [
        ["snapkv", { cr: 2, window: 32 }],
        ["rkv", { budget: 8 }],
        ["expected", { cr: 1, sinks: 4 }],
        ["random", { cr: 2, sinks: 4, recent: 8 }],
        ["observed", { budget: 9 }],
        ["streaming", { sinks: 4, recent: 12 }],
        ["kvzap", { window: 32, threshold: 1e9 }],
      ] as [string, PolicyOptions][]) {
        const device = candidate.open();
        const life = await run(device, { seed: 4, prompt: 3, length: 6, chunk: 3, policy: policyOf(name, options) });
        device.close();
        assert.deepEqual(
          life.kept[0],
          [
            [0, 1, 2],
            [0, 1, 2],
          ],
          name,
        );
      }
    });
  });
