// Groups of different policies in one engine: none waits for another's policy, and what each costs is its own.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { Group } from "../../src/engine/chain.ts";
import { Engine } from "../../src/engine/engine.ts";
import { once } from "../../src/policy/once.ts";
import type { Cut, LaneView, Policy } from "../../src/policy/policy.ts";
import { devices } from "../device/devices.ts";
import { chainSpec } from "../support/chains.ts";
import { policyFor, spec, tinyRunner } from "../support/runner.ts";
import { randomTokens } from "../support/tiny.ts";

const candidate = devices.at(-1)!; // the fastest there is

function open(chains: number, pages = 4000) {
  const device = candidate.open();
  const options = { pages, chains, sets: 2 * chains, contextLength: 1024, samplers: 64 };
  const runner = tinyRunner(device, spec("full"), { seed: 3, window: 9 }, options);
  return { runner, close: () => device.close() };
}

describe(`policies side by side, ${candidate.name}`, () => {
  for (const [crowd, guest] of [
    ["full", "tova:budget=24"],
    ["dms", "full"],
    ["snapkv:budget=24,window=4,every=7", "dms"],
  ])
    test(`a chain under ${guest} advances while chains under ${crowd} keep coming`, async () => {
      const { runner, close } = open(3);
      const errors: Error[] = [];
      let [steps, ended, came] = [0, 0, 0];
      const engine = new Engine(runner, {
        onStep: () => {
          steps++;
        },
      });
      const join = () => {
        const index = ++came;
        const chain = chainSpec(index, 5 + (index % 7), { seed: index }, errors);
        const onFinish = () => {
          ended++;
          if (!done) join();
        };
        engine.submit(randomTokens(index, 20, 96), policyFor(runner, spec(crowd)), [{ ...chain, onFinish }]);
      };
      let done = false;
      for (let i = 0; i < 6; i++) join(); // more than run at a time
      const tokens = 40;
      let stepsOfGuest = 0;
      const onFinish = () => {
        done = true;
        stepsOfGuest = steps;
      };
      engine.submit(randomTokens(99, 30, 96), policyFor(runner, spec(guest)), [
        { ...chainSpec(0, tokens, { seed: 1 }, errors), onFinish },
      ]);
      await engine.idle();
      assert.deepEqual(errors, []);
      assert.ok(ended > 12, `${ended} of the crowd ended meanwhile`);
      assert.ok(stepsOfGuest < tokens + 80, `${stepsOfGuest} steps for ${tokens} tokens`);
      close();
    });

  test("a group's pages and reads are those of the group alone", async () => {
    const jobs = ["full", "dms", "tova:budget=24", "snapkv:budget=24,window=4,every=7", "kvzip:budget=30"];
    const costs = ({ account, chains }: Group) => ({
      peakPages: account.peakPages,
      physicalReads: chains.reduce((sum, { meter }) => sum + meter.physicalReads, 0),
      reads: chains.map(({ meter }) => meter.decodeReads),
      peaks: chains.map(({ meter }) => meter.peakPages),
    });
    async function run(policies: readonly string[]) {
      const { runner, close } = open(24);
      const engine = new Engine(runner, { onStep: () => runner.table.check() });
      const errors: Error[] = [];
      const groups = policies.map((policy) => {
        const specs = Array.from({ length: 3 }, (_, index) => chainSpec(index, 30, { seed: 5 }, errors));
        return engine.submit(randomTokens(8, 300, 96), policyFor(runner, spec(policy)), specs);
      });
      await engine.idle();
      assert.deepEqual(errors, []);
      for (const { account } of groups) assert.equal(account.pages, 0);
      close();
      return groups.map(costs);
    }
    const together = await run(jobs);
    for (const [i, job] of jobs.entries()) {
      const [alone] = await run([job]);
      assert.ok(alone.peakPages > 20 && alone.physicalReads > 0);
      assert.deepEqual(together[i], alone, job);
    }
    assert.ok(
      together[0].physicalReads < together[0].reads.reduce((a, b) => a + b),
      "whole spans are read once for three",
    );
  });

  const bad = (name: string, change: (cut: Cut) => Partial<Cut>, every = 4) => {
    const base = once("own", { budget: 30, every }, [{ kind: "norm" }]);
    return { name, policy: { ...base, name, key: name, cut: { ...base.cut!, ...change(base.cut!) } } };
  };
  const fails = () => {
    throw new Error("of its own");
  };
  const afterPrompt = ({ newest, prompt }: LaneView) => newest >= prompt && fails();
  for (const { name, policy } of [
    bad("a budget that throws", () => ({ budget: fails })),
    bad("a budget that is no number", () => ({ budget: () => Number.NaN })),
    bad("ranks that throw at the prompt's end", () => ({ rescore: fails })),
    bad("ranks that throw later", () => ({ rescore: afterPrompt })),
    bad("ranks that are no numbers", () => ({ rescore: ({ scores }) => scores.fill(Number.NaN) })),
  ])
    test(`${name}: the group ends with that error, its neighbours do not`, async () => {
      const { runner, close } = open(8);
      const engine = new Engine(runner, { onStep: () => runner.table.check() });
      const errors: Error[] = [];
      const join = (policy: Policy, first: number) => {
        const specs = [first, first + 1].map((index) => chainSpec(index, 20, { seed: 2 }, errors));
        return engine.submit(randomTokens(first, 50, 96), policy, specs);
      };
      const sound = [join(policyFor(runner, spec("full")), 0), join(policyFor(runner, spec("snapkv:budget=40")), 2)];
      join(policy, 4);
      await engine.idle();
      for (const { chains } of sound) for (const { finish } of chains) assert.equal(finish, "length");
      assert.deepEqual(Object.keys(errors), ["4", "5"]);
      for (const error of Object.values(errors)) assert.match(error.message, /of its own|expected .* (budget|scores)/);
      assert.equal(runner.table.pool.used, 0);
      close();
    });

  test("work that feeds the cache by hand has it to itself, in its turn, and can be called off", async () => {
    const { runner, close } = open(3);
    const engine = new Engine(runner);
    const errors: Error[] = [];
    const ends: string[] = [];
    const join = (index: number, tokens: number) =>
      engine.submit(randomTokens(index, 20, 96), policyFor(runner, spec("full")), [
        {
          ...chainSpec(index, tokens, {}, errors),
          onToken: () => begun.resolve() ?? false,
          onFinish: (finish) => ends.push(`${index} ${finish}`),
        },
      ]);
    const begun = Promise.withResolvers<void>();
    join(0, 30);
    await begun.promise;
    const stop = new AbortController();
    const calledOff = engine.alone(async () => ends.push("never"), stop.signal);
    const gate = Promise.withResolvers<void>();
    const guest = engine.alone(async () => {
      assert.equal(runner.table.pool.used, 0);
      ends.push("guest");
      await gate.promise;
    }, new AbortController().signal);
    const [late] = join(1, 3).chains;
    join(2, 3);
    stop.abort(new Error("called off"));
    await assert.rejects(calledOff, /called off/);
    while (!ends.includes("guest")) await setTimeout(1);
    engine.abort(late); // it waits for the guest, and need not
    assert.deepEqual(ends, ["0 length", "guest", "1 aborted"]);
    gate.resolve();
    await guest;
    await engine.idle();
    assert.deepEqual(ends.slice(3), ["2 length"]);
    close();
  });
});
