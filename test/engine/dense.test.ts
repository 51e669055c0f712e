// `full`, and `dms` with its gates forced open, against a dense transformer without pages, chunks or cache.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Runner } from "../../src/engine/runner.ts";
import { makePolicy } from "../../src/policy/index.ts";
import { devices } from "../device/devices.ts";
import { dense } from "../support/dense.ts";
import { feed, largestDifference } from "../support/sets.ts";
import { randomTokens, tinyModel, tinyRaw } from "../support/tiny.ts";

const OPEN = 1e6; // gate offset: no logit comes near 0, so every key is kept

for (const candidate of devices)
  describe(`dense attention, ${candidate.name}`, () => {
    for (const [policy, gateOffset] of [
      ["full", 0],
      ["dms", OPEN],
    ] as const)
      test(policy, async () => {
        const options = { seed: 21, window: 5, gateOffset };
        const raw = tinyRaw(options);
        const T = 300; // more than one cut of 256 slots
        const ids = randomTokens(5, T, raw.config.vocabulary);
        const expected = dense(raw, ids, () => true);
        const device = candidate.open();
        const runner = new Runner(device, tinyModel(device, options, raw), makePolicy(policy, raw.config), {
          kv: "f32",
          kvBytes: 1 << 22,
          chains: 1,
          sets: 1,
          contextLength: 320,
          chunk: 128,
          rows: 128,
          logitRows: 128,
          samplers: 1,
        });
        const set = runner.table.open();
        for (const [kind, count] of [
          ["chunk", 128],
          ["chunk", 100],
          ["steps", 40],
          ["steps", 1],
          ["chunk", 31],
        ] as const) {
          const from =
            runner.table.live(set * runner.table.width) -
            (runner.table.device.archive.host[set * runner.table.width] ? 0 : 1);
          const rows = await feed(runner, { set, kind, ids, from, count });
          const off = Math.max(...rows.map((row, i) => largestDifference(row, expected.logits[from + i])));
          assert.ok(off < 2e-4, `${kind} at ${from}: off by ${off}`);
        }
        assert.equal(runner.table.meanLive(set), T);
        device.close();
      });
  });
