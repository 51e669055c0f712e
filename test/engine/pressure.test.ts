// A pool just large enough for the largest chain alone: every chain still ends, however
// many there are, with the same bits.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { Engine } from "../../src/engine/engine.ts";
import { devices } from "../device/devices.ts";
import { chainSpec } from "../support/chains.ts";
import { hashBits } from "../support/compare.ts";
import { POLICIES } from "../support/policies.ts";
import { spec, tinyRunner } from "../support/runner.ts";
import { randomTokens } from "../support/tiny.ts";

const candidate = devices.at(-1)!; // the fastest there is
const ROOMY = 4000;

interface Job {
  prompt: number[];
  width: number;
  maxTokens: number;
}

/**
 * Runs jobs over `pages`: each chain's tokens and hashes of its logits, the most pages that were held, and preemptions.
 */
async function run(policy: string, jobs: Job[], pages: number) {
  const device = candidate.open();
  const runner = tinyRunner(
    device,
    spec(policy),
    { seed: 7, window: 9 },
    {
      pages,
      chains: 8,
      sets: 12,
      contextLength: 320,
      rows: 16 + 12 + 24,
      samplers: 64,
    },
  );
  const hashes = new Map<object, string[]>();
  const engine = new Engine(runner, {
    onStep: () => runner.table.check(),
    onLogits: (chain, i, logits) => {
      const own = hashes.get(chain) ?? [];
      own[i] = hashBits(logits);
      hashes.set(chain, own);
    },
  });
  const errors: Error[] = [];
  const groups = jobs.map(({ prompt, width, maxTokens }) =>
    engine.submit(
      prompt,
      runner.policy,
      Array.from({ length: width }, (_, index) => chainSpec(index, maxTokens, { seed: prompt.length }, errors)),
    ),
  );
  await engine.idle();
  assert.equal(runner.table.pool.used, 0);
  const { preemptions } = engine.scheduler;
  device.close();
  return {
    errors: Object.values(errors).map(({ message }) => message),
    steps: groups.flatMap(({ chains }) => chains.map((chain) => ({ tokens: chain.tokens, hashes: hashes.get(chain) }))),
    peak: Math.max(...groups.map(({ account }) => account.peakPages)),
    preemptions,
  };
}

/**
 * The least pool in which a chain of each job ends alone: what is held at most, and more
 * where a pass may take more than it does.
 */
async function least(policy: string, jobs: Job[]): Promise<number> {
  let pages = 1;
  for (const job of jobs) {
    const alone = [{ ...job, width: 1 }];
    const { peak } = await run(policy, alone, ROOMY);
    pages = Math.max(pages, peak);
    while ((await run(policy, alone, pages)).errors.length) pages += 4;
  }
  return pages;
}

describe(`pools as small as the largest chain, ${candidate.name}`, () => {
  for (const policy of POLICIES)
    test(policy, async () => {
      let preemptions = 0;
      for (let seed = 1; seed <= 4; seed++) {
        const rng = seeded(seed);
        const jobs = Array.from(
          { length: 5 },
          (_, i): Job => ({
            prompt: randomTokens(10 * seed + i, 1 + rng.below(100), 96),
            width: 1 + rng.below(4),
            maxTokens: 1 + rng.below(90),
          }),
        );
        const roomy = await run(policy, jobs, ROOMY);
        const tight = await run(policy, jobs, await least(policy, jobs));
        assert.deepEqual([roomy.errors, tight.errors], [[], []]);
        assert.deepEqual(tight.steps, roomy.steps, `seed ${seed}`);
        preemptions += tight.preemptions;
      }
      assert.ok(preemptions > 0, "nothing was preempted: this shows nothing");
    });
});
