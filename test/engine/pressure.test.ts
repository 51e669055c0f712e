// A pool just large enough for the largest chain alone: every chain still ends, however many there are, and says the same.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import type { Gauge } from "../../src/cache/meter.ts";
import { pageBytes } from "../../src/device/device.ts";
import { Engine } from "../../src/engine/engine.ts";
import { Runner } from "../../src/engine/runner.ts";
import { greedy } from "../../src/engine/sampling.ts";
import { makePolicy } from "../../src/policy/index.ts";
import { devices } from "../device/devices.ts";
import { randomTokens, tinyModel } from "../support/tiny.ts";

const candidate = devices.at(-1)!; // the fastest there is

interface Job {
  prompt: number[];
  width: number;
  maxTokens: number;
}

/** Runs jobs over `pages`; tokens of all chains, and the most pages that were held. */
async function run(
  policy: string,
  jobs: Job[],
  pages: number,
): Promise<{ tokens: string[]; peak: number; preemptions: number }> {
  const device = candidate.open();
  const model = tinyModel(device, { seed: 7, window: 9 });
  const runner = new Runner(device, model, makePolicy(policy, model.config, policy === "tova" ? { budget: 24 } : {}), {
    kv: "f32",
    kvBytes: pages * pageBytes(12, "f32"),
    chains: 8,
    sets: 12,
    contextLength: 320,
    chunk: 16,
    rows: 16 + 12 + 24,
    logitRows: 13,
    samplers: 64,
  });
  const gauge: Gauge = { peakPages: 0, physicalReads: 0 };
  runner.gauges.add(gauge);
  const engine = new Engine(runner, { onStep: () => runner.table.check() });
  const errors: string[] = [];
  const groups = jobs.map(({ prompt, width, maxTokens }) =>
    engine.submit(
      prompt,
      Array.from({ length: width }, (_, index) => ({
        sampling: { ...greedy, temperature: 1, seed: prompt.length },
        maxTokens,
        stopIds: new Set<number>(),
        index,
        onFinish: (_finish, error) => {
          if (error) errors.push(error.message);
        },
      })),
    ),
  );
  await engine.idle();
  assert.deepEqual(errors, []);
  assert.equal(runner.table.pool.used, 0);
  const { preemptions } = engine.scheduler;
  device.close();
  return {
    tokens: groups.flatMap((group) => group.chains.map((chain) => chain.tokens.join(" "))),
    peak: gauge.peakPages,
    preemptions,
  };
}

describe(`pools as small as the largest chain, ${candidate.name}`, () => {
  for (const policy of ["full", "dms", "tova"])
    test(policy, async () => {
      let preemptions = 0;
      for (let seed = 1; seed <= 8; seed++) {
        const rng = seeded(seed);
        const jobs = Array.from(
          { length: 5 },
          (_, i): Job => ({
            prompt: randomTokens(10 * seed + i, 1 + rng.below(100), 96),
            width: 1 + rng.below(4),
            maxTokens: 1 + rng.below(90),
          }),
        );
        const alone = await Promise.all(jobs.map((job) => run(policy, [{ ...job, width: 1 }], 4000)));
        const roomy = await run(policy, jobs, 4000);
        const tight = await run(policy, jobs, Math.max(...alone.map(({ peak }) => peak)));
        assert.deepEqual(tight.tokens, roomy.tokens, `seed ${seed}`);
        preemptions += tight.preemptions;
      }
      if (policy === "full") assert.ok(preemptions > 0, "nothing was preempted: this shows nothing");
    });
});
