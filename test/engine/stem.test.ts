// A prompt that several policies read once: every chain has the bits and costs of a prompt read alone, in any pool.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import type { Chain } from "../../src/engine/chain.ts";
import { Engine } from "../../src/engine/engine.ts";
import { type Candidate, devices } from "../device/devices.ts";
import { chainSpec } from "../support/chains.ts";
import { hashBits } from "../support/compare.ts";
import { POLICIES } from "../support/policies.ts";
import { policyFor, spec, tinyRunner } from "../support/runner.ts";
import { randomTokens } from "../support/tiny.ts";

const ROOMY = 4000;
const CHUNK = 16;

interface Job {
  policy: string;
  width: number;
  maxTokens: number;
}

/** Jobs over one prompt, all at once; what each chain said and cost, and the prompt rows that were read. */
async function run(
  candidate: Candidate,
  prompt: number[],
  jobs: readonly Job[],
  {
    shares,
    pages = ROOMY,
    sets = 12,
    chunk = CHUNK,
  }: { shares: boolean; pages?: number; sets?: number; chunk?: number },
) {
  const device = candidate.open();
  const options = { pages, chains: 6, sets, contextLength: 320, chunk, rows: 16 + 16 + 24, samplers: 200 };
  const runner = tinyRunner(device, spec("full"), { seed: 7, window: 9 }, options);
  const hashes = new Map<Chain, string[]>();
  let dropped = 0;
  let stood = false;
  const engine = new Engine(runner, {
    onStep: () => {
      runner.table.check();
      const stands = stem !== null && stem.rootSet >= 0;
      if (stood && !stands && groups.some(({ begun, chains }) => !begun && !chains.every((c) => c.finish))) dropped++;
      stood = stands;
    },
    onLogits: (chain, i, logits) => {
      const own = hashes.get(chain) ?? [];
      own[i] = hashBits(logits);
      hashes.set(chain, own);
    },
  });
  const policies = jobs.map(({ policy }) => policyFor(runner, spec(policy)));
  const stem = shares ? engine.stem(prompt, policies) : null;
  let rows = 0;
  const pass = runner.run.bind(runner);
  runner.run = (segments, ...rest) => {
    for (const { kind, count } of segments) if (kind === "chunk") rows += count;
    return pass(segments, ...rest);
  };
  const errors: Error[] = [];
  const groups = jobs.map(({ width, maxTokens }, j) =>
    engine.submit(
      prompt,
      policies[j],
      Array.from({ length: width }, (_, i) => chainSpec(100 * j + i, maxTokens, { seed: 3 }, errors)),
      { stem },
    ),
  );
  if (stem) engine.closeStem(stem);
  await engine.idle();
  runner.table.check();
  assert.equal(runner.table.pool.used, 0);
  assert.equal(engine.scheduler.roots.stems.length, 0);
  device.close();
  return {
    errors: Object.values(errors).map(({ message }) => message),
    begun: groups.filter((group) => group.stem !== null).length,
    ...{ rows, dropped },
    chains: groups.flatMap(({ chains, meter, policy }) =>
      chains.map((chain) => ({
        policy: policy.key,
        tokens: chain.tokens,
        hashes: hashes.get(chain),
        prompt: [meter.prefillReads, meter.live, meter.peakLive, meter.pages, meter.peakPages],
        reads: [chain.meter.decodeReads, chain.meter.fullReads, chain.meter.peakLive],
      })),
    ),
  };
}

const ALL = POLICIES.map((policy): Job => ({ policy, width: 2, maxTokens: 24 }));

for (const candidate of devices.filter((d) => d.name !== "cpu, threads 1"))
  describe(`stems on ${candidate.name}`, () => {
    for (const [length, chunk] of [
      [100, 16],
      [97, 16],
      [60, 24], // a stem that ends inside a page
    ])
      test(`every policy over a prompt of ${length} tokens in chunks of ${chunk}`, async () => {
        const prompt = randomTokens(length, length, 96);
        const alone = await run(candidate, prompt, ALL, { shares: false, chunk });
        const shared = await run(candidate, prompt, ALL, { shares: true, chunk });
        assert.deepEqual([alone.errors, shared.errors], [[], []]);
        assert.deepEqual(shared.chains, alone.chains);
        assert.ok(shared.begun >= 12, `${shared.begun} policies began from it`);
        const saved = (shared.begun - 1) * chunk * Math.floor((length - 1) / chunk);
        assert.equal(shared.rows, alone.rows - saved);
      });
  });

const fastest = devices.at(-1)!;

describe(`stems under pressure, ${fastest.name}`, () => {
  test("pools and sets that hardly suffice: all chains end, with the same bits", async () => {
    let dropped = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const rng = seeded(seed);
      const prompt = randomTokens(seed, 40 + rng.below(80), 96);
      const jobs = Array.from(
        { length: 6 },
        (): Job => ({
          policy: POLICIES[rng.below(POLICIES.length)],
          width: 1 + rng.below(3),
          maxTokens: 1 + rng.below(60),
        }),
      );
      const alone = await run(fastest, prompt, jobs, { shares: false });
      assert.deepEqual(alone.errors, []);
      // The least pool in which the same jobs end without a stem.
      let pages = 60;
      while ((await run(fastest, prompt, jobs, { shares: false, pages })).errors.length) pages += 10;
      for (const tight of [
        { pages, sets: 12 },
        { pages: pages + 40, sets: 7 },
      ]) {
        const shared = await run(fastest, prompt, jobs, { shares: true, ...tight });
        assert.deepEqual(shared.errors, [], `seed ${seed}, ${JSON.stringify(tight)}`);
        const said = ({ chains }: typeof alone) =>
          chains.map(({ tokens, hashes, prompt: [prefillReads] }) => ({ tokens, hashes, prefillReads }));
        assert.deepEqual(said(shared), said(alone), `seed ${seed}`);
        dropped += shared.dropped;
      }
    }
    assert.ok(dropped > 0, "no stem ever gave way: this shows nothing");
  });

  test("what cannot begin together does not; another prompt is refused", async () => {
    const device = fastest.open();
    const runner = tinyRunner(device, spec("full"), { seed: 7, window: 9 }, { chunk: CHUNK });
    const engine = new Engine(runner);
    const policies = (...specs: string[]) => specs.map((policy) => policyFor(runner, spec(policy)));
    const prompt = randomTokens(1, 50, 96);
    assert.equal(engine.stem(prompt, policies("full", "dms", "dms-budget:budget=30")), null, "one that keeps all");
    assert.equal(engine.stem(prompt.slice(0, CHUNK), policies("full", "h2o:budget=30")), null, "one chunk");
    const stem = engine.stem(prompt, policies("full", "h2o:budget=30", "dms"))!;
    assert.equal(stem.length, 48);
    const chain = [chainSpec(0, 4, {}, [])];
    const [full, , dms] = policies("full", "h2o:budget=30", "dms");
    assert.throws(() => engine.submit(randomTokens(2, 50, 96), full, chain, { stem }), { code: "bad-argument" });
    const [tova, quest, expected, epikv] = policies(
      "tova:budget=30",
      "quest:budget=60",
      "expected:budget=30",
      "epikv:budget=60,recent=3",
    );
    const [snapkv, random] = policies("snapkv:budget=30,window=8", "random:budget=30");
    const begins = [full, random].map((policy) => engine.submit(prompt, policy, chain, { stem }).stem === stem);
    assert.deepEqual(begins, [true, true]);
    for (const policy of [dms, tova, quest, expected, epikv, snapkv]) // what they watch was not asked for
      assert.equal(engine.submit(prompt, policy, chain, { stem }).stem, null, policy.name);
    await engine.idle();
    assert.ok(runner.table.pool.used > 0);
    engine.closeStem(stem);
    assert.equal(engine.submit(prompt, full, chain, { stem }).stem, null, "it is closed");
    await engine.idle();
    assert.equal(runner.table.pool.used, 0);
    device.close();
  });

  test("a step that fails leaves no stem half read", async () => {
    const device = fastest.open();
    const runner = tinyRunner(device, spec("full"), { seed: 7, window: 9 }, { chunk: CHUNK });
    const engine = new Engine(runner);
    const prompt = randomTokens(1, 90, 96);
    const two = ["full", "h2o:budget=30"].map((policy) => policyFor(runner, spec(policy)));
    const stem = engine.stem(prompt, two)!;
    const pass = runner.run.bind(runner);
    let passes = 0;
    runner.run = async (...given) => {
      await pass(...given);
      if (++passes === 3) throw new Error("after the pass");
    };
    const errors: Error[] = [];
    const submit = (index: number) =>
      engine.submit(prompt, two[index % 2], [chainSpec(index, 4, { seed: 1 }, errors)], { stem });
    submit(0);
    await engine.idle();
    assert.equal(errors[0].message, "after the pass");
    const groups = [submit(2), submit(3)];
    engine.closeStem(stem);
    await engine.idle();
    assert.equal(Object.keys(errors).length, 1);
    const alone = engine.submit(prompt, two[0], [chainSpec(4, 4, { seed: 1 }, errors)]);
    await engine.idle();
    assert.deepEqual(
      groups.map(({ meter }) => meter.prefillReads),
      [alone.meter.prefillReads, alone.meter.prefillReads],
    );
    assert.equal(runner.table.pool.used, 0);
    device.close();
  });

  test("work that wants the cache to itself is let in while a group that began from a stem has lost its root", async () => {
    const device = fastest.open();
    const prompt = randomTokens(1, 50, 96);
    const options = { chunk: CHUNK, chains: 1, sets: 3 };
    const runner = tinyRunner(device, spec("full"), { seed: 7, window: 9 }, options);
    let steps = 0;
    const engine = new Engine(runner, {
      onStep: () => {
        if (++steps > 500) throw new Error("nothing comes to an end");
        if (steps === 8) {
          asked = engine.alone(async () => runner.sets.inUse, new AbortController().signal);
          engine.scheduler.roots.drop(group);
        }
      },
    });
    let asked: Promise<number> | null = null;
    const two = ["full", "h2o:budget=30"].map((policy) => policyFor(runner, spec(policy)));
    const stem = engine.stem(prompt, two)!;
    const errors: Error[] = [];
    const specs = [0, 1, 2].map((index) => chainSpec(index, 12, { seed: 1 }, errors));
    const group = engine.submit(prompt, two[0], specs, { stem });
    await engine.idle();
    assert.deepEqual(errors, []);
    assert.equal(await asked, 0);
    engine.closeStem(stem);
    device.close();
  });

  test("work that wants the cache to itself need not wait for a stem to be closed", async () => {
    const device = fastest.open();
    const runner = tinyRunner(device, spec("full"), { seed: 7, window: 9 }, { chunk: CHUNK });
    const engine = new Engine(runner);
    const prompt = randomTokens(1, 50, 96);
    const two = ["full", "h2o:budget=30"].map((policy) => policyFor(runner, spec(policy)));
    const stem = engine.stem(prompt, two)!;
    const errors: Error[] = [];
    const first = engine.submit(prompt, two[0], [chainSpec(0, 4, { seed: 1 }, errors)], { stem });
    await engine.idle();
    assert.ok(stem.rootSet >= 0);
    const free = await engine.alone(async () => runner.sets.inUse === 0, new AbortController().signal);
    assert.ok(free);
    const second = engine.submit(prompt, two[1], [chainSpec(1, 4, { seed: 1 }, errors)], { stem });
    await engine.idle();
    engine.closeStem(stem);
    assert.deepEqual(errors, []);
    assert.deepEqual(
      [first, second].map(({ chains }) => chains[0].tokens.length),
      [4, 4],
    );
    assert.equal(second.meter.prefillReads, first.meter.prefillReads);
    assert.equal(runner.table.pool.used, 0);
    device.close();
  });
});
