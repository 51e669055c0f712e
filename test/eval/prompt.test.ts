// One reading of a prompt serves every policy with a dense prefill: each goes on as
// from a reading of its own, bit for bit.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SharedPrompt } from "../../src/eval/compare/shared-prompt.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { startsFrom } from "../../src/policy/together.ts";
import { type Candidate, devices } from "../device/devices.ts";
import { decode, readPrompt } from "../support/feed.ts";
import { policyFor, spec, type TinyRunner, tinyRunner } from "../support/runner.ts";
import { randomTokens } from "../support/tiny.ts";

const [PREFIX, LENGTH, CHUNK] = [70, 100, 16];
const IDS = randomTokens(4, LENGTH, 96);

const SERVED = [
  "full",
  "dms:prefill=dense",
  "dms:prefill=dense,window=3,threshold=-1,protect=20",
  "dms:prefill=dense,protect=prompt",
  "kvzap:threshold=0.1,window=7,prefill=dense",
  "streaming:sinks=3,recent=20",
  "streaming:sinks=3,recent=20,positions=cache",
  "snapkv:budget=30,window=8,every=9",
  "h2o:budget=30",
  "tova:budget=30",
  "expected:budget=30,sinks=2",
  "vase:budget=30,window=8",
  "epikv:budget=80,recent=5,window=6",
  "quest:budget=40",
];
const NOT_SERVED = [
  "dms",
  "kvzap:threshold=0.1,window=7",
  "streaming:sinks=3,recent=20,prefill=sparse",
  "dms-budget:budget=30,buffer=9",
];

function open(
  candidate: Candidate,
  layers = 2,
): { runner: TinyRunner; policyOf: (spec: string) => Policy; close: () => void } {
  const device = candidate.open();
  const runner = tinyRunner(
    device,
    spec("full"),
    { seed: 11, window: 9, layers },
    {
      kv: "bf16",
      chains: 3,
      contextLength: 128,
      chunk: CHUNK,
      rows: 2 * CHUNK,
      sets: 4,
    },
  );
  const policyOf = (text: string) => policyFor(runner, spec(text));
  return { runner, policyOf, close: () => device.close() };
}

/** Hashes of the logits while a set goes on from the prompt, and what it holds meanwhile. */
async function goOn(runner: TinyRunner, set: number): Promise<unknown> {
  const { table } = runner;
  const held: unknown[] = [];
  const look = () => held.push([table.meanLive(set), table.pagesOf(set)]);
  look();
  const hashes = await decode(runner, set, IDS, PREFIX, look);
  runner.sets.close(set);
  table.check();
  return { hashes, held };
}

async function alone(runner: TinyRunner, policy: Policy): Promise<unknown> {
  const set = runner.sets.take(policy, PREFIX, LENGTH);
  await readPrompt(runner, set, IDS, PREFIX);
  return goOn(runner, set);
}

for (const candidate of devices)
  describe(candidate.name, () => {
    for (const gates of ["dms", "kvzap"])
      test(`a shared prompt with the gates of ${gates}`, async () => {
        const { runner, policyOf, close } = open(candidate);
        const served = SERVED.filter((spec) => !spec.startsWith(gates === "dms" ? "kvzap" : "dms")).map(policyOf);
        const others = NOT_SERVED.map(policyOf);
        const prompt = new SharedPrompt(runner, [...served, ...others]);
        await prompt.read(IDS, PREFIX);
        for (const policy of [...served, ...others]) {
          assert.equal(startsFrom(prompt.policy, policy), served.includes(policy), policy.key);
          const { set } = await prompt.start(policy, IDS, PREFIX);
          const shared = await goOn(runner, set);
          assert.deepEqual(shared, await alone(runner, policy), policy.key);
        }
        prompt.close();
        assert.equal(runner.table.pool.used, 0);
        close();
      });

    test("what one pass cannot watch for two policies, the second reads itself", async () => {
      const { runner, policyOf, close } = open(candidate, 3);
      const [first, second, third, fourth, kvzap] = [
        policyOf("expected:budget=30,sinks=2"),
        policyOf("expected:budget=30,sinks=5"),
        policyOf("epikv:budget=80,recent=3"),
        policyOf("epikv:budget=80,recent=4,early=0,late=2"),
        policyOf("kvzap:threshold=0.1,prefill=dense"),
      ];
      const prompt = new SharedPrompt(runner, [policyOf("dms:prefill=dense"), first, second, third, fourth, kvzap]);
      assert.deepEqual(
        [first, second, third, fourth, kvzap].map((policy) => startsFrom(prompt.policy, policy)),
        [true, false, true, false, false],
      );
      await prompt.read(IDS, PREFIX);
      for (const policy of [second, fourth]) {
        const { set } = await prompt.start(policy, IDS, PREFIX);
        assert.deepEqual(await goOn(runner, set), await alone(runner, policy));
      }
      prompt.close();
      close();
    });
  });
