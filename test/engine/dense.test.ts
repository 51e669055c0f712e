// `full`, and `dms` with its gates forced open, against a dense transformer without pages, chunks or cache.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { devices } from "../device/devices.ts";
import { largestDifference } from "../support/compare.ts";
import { dense } from "../support/dense.ts";
import { feed } from "../support/feed.ts";
import { spec, tinyRunner } from "../support/runner.ts";
import { randomTokens, tinyRaw } from "../support/tiny.ts";

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
        const runner = tinyRunner(device, spec(policy), options, { raw, chunk: 128, rows: 128, logitRows: 128 });
        const set = runner.open();
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
