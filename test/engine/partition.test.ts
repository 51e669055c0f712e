// Any partition of a token sequence into prefill chunks, decode steps and forks gives the live sets, counts and logits
// of the rule of arXiv 2506.05345, which a list-based tracker and a dense transformer state here on their own.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { type Candidate, devices } from "../device/devices.ts";
import { largestDifference } from "../support/compare.ts";
import { dense, dmsRule, smallest } from "../support/dense.ts";
import { feed } from "../support/feed.ts";
import { liveSets, spec, tinyRunner } from "../support/runner.ts";
import { randomTokens, type TinyOptions, tinyRaw } from "../support/tiny.ts";

const TOLERANCE = 2e-4;

/**
 * Keys of one lane that query `last` sees, by feeding a list one token at a time (the
 * public reference's tests do the same).
 */
function tracker(evict: (i: number) => boolean, last: number, window: number): number[] {
  let live: number[] = [];
  for (let t = 0; t <= last; t++) {
    live.push(t);
    live = live.filter((i) => i === t || !(evict(i) && t - i > window));
  }
  return live;
}

const forms: TinyOptions[] = [
  { seed: 0, window: 7 },
  { seed: 0, window: 0 },
  { seed: 0, window: 1, perLayer: true },
  { seed: 0, window: 20, shift: 0 },
  { seed: 0, window: 5, borrowed: true },
];

for (const candidate of devices)
  describe(`partitions on ${candidate.name}`, () => {
    for (const form of forms)
      test(`window ${form.window}, shift ${form.shift ?? 1}${form.borrowed ? ", borrowed" : ""}`, async () => {
        let tried = 0;
        for (let seed = 1; tried < 4; seed++) {
          assert.ok(seed < 60, "too many seeds have a decision near the threshold");
          if (await partitions(candidate, { ...form, seed })) tried++;
        }
      });
  });

/** False when a decision of this seed hangs on rounding. */
async function partitions(candidate: Candidate, options: TinyOptions): Promise<boolean> {
  const raw = tinyRaw(options);
  const window = options.window!;
  const shift = options.shift ?? 1;
  const T = Math.max(40, 3 * window + 12); // the window is crossed at least three times
  const ids = randomTokens(options.seed + 100, T, raw.config.vocabulary);
  const expected = dense(raw, ids, dmsRule(window, shift));
  if (smallest(expected.z) < 0.01) return false;
  const { layers, kvHeads } = raw.config;
  const setsAt = (last: number) =>
    Array.from({ length: layers * kvHeads }, (_, lane) => {
      const z = expected.z[Math.floor(lane / kvHeads)];
      return tracker((i) => i + shift <= last && z[i + shift][lane % kvHeads] > 0, last, window);
    });
  const dropped = T * layers * kvHeads - setsAt(T - 1).flat().length;
  assert.ok(dropped > T / 4, "this seed evicts too little to show anything");

  const device = candidate.open();
  const runner = tinyRunner(device, spec("dms"), options, { raw, sets: 4, chunk: T, rows: T, logitRows: T });
  for (let p = 0; p < 4; p++) {
    const rng = seeded(options.seed * 100 + p);
    const open = [{ set: runner.open(), at: 0 }];
    while (open.length) {
      const chain = open[0]; // forks wait with their tails copied, and are finished by a partition of their own
      const kind = p === 0 || rng.below(2) ? "chunk" : "steps";
      const count = p === 0 ? T : Math.min(T - chain.at, 1 + rng.below(kind === "chunk" ? 17 : 6));
      const rows = await feed(runner, { set: chain.set, kind, ids, from: chain.at, count });
      const off = Math.max(...rows.map((row, i) => largestDifference(row, expected.logits[chain.at + i])));
      assert.ok(off < TOLERANCE, `${kind} of ${count} at ${chain.at}: logits off by ${off}`);
      chain.at += count;
      const sets = setsAt(chain.at - 1);
      assert.deepEqual(await liveSets(runner, chain.set), sets, `live sets after ${chain.at} tokens`);
      sets.forEach((keys, lane) => {
        assert.equal(runner.table.live(chain.set * runner.table.width + lane), keys.length);
      });
      if (p > 0 && chain.at < T && open.length < 3 && rng.below(3) === 0) {
        const set = runner.sets.fork(chain.set);
        open[rng.below(2) ? "push" : "unshift"]({ set, at: chain.at });
      }
      if (chain.at === T) {
        open.splice(open.indexOf(chain), 1);
        runner.sets.close(chain.set);
      }
    }
    runner.table.check();
    assert.equal(runner.table.pool.used, 0);
  }
  device.close();
  return true;
}
