// One reading of a prompt serves every policy with a dense prefill: each goes on as from a reading of its own, bit for bit.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Runner } from "../../src/engine/runner.ts";
import { feed, Prompt } from "../../src/eval/compare/prompt.ts";
import { makePolicy } from "../../src/policy/index.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { parseSpec } from "../../src/policy/spec.ts";
import { type Candidate, devices } from "../device/devices.ts";
import { addProbes } from "../policy/rig.ts";
import { hashBits } from "../support/hash.ts";
import { randomTokens, tinyModel } from "../support/tiny.ts";

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
  "quest:budget=40",
];
const NOT_SERVED = [
  "dms",
  "kvzap:threshold=0.1,window=7",
  "streaming:sinks=3,recent=20,prefill=sparse",
  "dms-budget:budget=30,buffer=9",
];

function open(candidate: Candidate): { runner: Runner; policyOf: (spec: string) => Policy; close: () => void } {
  const device = candidate.open();
  const model = tinyModel(device, { seed: 11, window: 9 });
  addProbes(device, model, 6);
  const runner = new Runner(device, model, makePolicy("full", model.config), {
    kv: "bf16",
    kvBytes: 4 << 20,
    chains: 3,
    sets: 4,
    contextLength: 128,
    chunk: CHUNK,
    rows: 2 * CHUNK,
    logitRows: 2,
    samplers: 1,
  });
  const policyOf = (spec: string) => {
    const { name, options } = parseSpec(spec);
    return makePolicy(name, { ...model.config, probe: true }, options);
  };
  return { runner, policyOf, close: () => device.close() };
}

/** Hashes of the logits while a set goes on from the prompt, and what it ends with. */
async function goOn(runner: Runner, set: number): Promise<unknown> {
  const { table } = runner;
  const logits = new Float32Array(96);
  const steps: unknown[] = [[table.meanLive(set), table.pagesOf(set)]];
  for (let from = PREFIX; from < LENGTH; from++) {
    await feed(runner, { set, kind: "steps", ids: IDS, from, count: 1, prompt: PREFIX, logits: "last" });
    await runner.logits(0, logits);
    steps.push([hashBits(logits), table.meanLive(set), table.pagesOf(set)]);
  }
  table.close(set);
  table.check();
  return steps;
}

async function alone(runner: Runner, policy: Policy): Promise<unknown> {
  runner.adopt(policy);
  const set = runner.open(PREFIX, LENGTH);
  for (let from = 0; from < PREFIX; from += CHUNK) {
    const count = Math.min(CHUNK, PREFIX - from);
    await feed(runner, { set, kind: "chunk", ids: IDS, from, count, prompt: PREFIX, logits: "none" });
  }
  return goOn(runner, set);
}

for (const candidate of devices)
  describe(candidate.name, () => {
    for (const gates of ["dms", "kvzap"])
      test(`a shared prompt with the gates of ${gates}`, async () => {
        const { runner, policyOf, close } = open(candidate);
        const served = SERVED.filter((spec) => !spec.startsWith(gates === "dms" ? "kvzap" : "dms")).map(policyOf);
        const others = NOT_SERVED.map(policyOf);
        const prompt = new Prompt(runner, [...served, ...others]);
        await prompt.read(IDS, PREFIX);
        for (const policy of [...served, ...others]) {
          assert.equal(prompt.serves(policy), served.includes(policy), policy.key);
          runner.adopt(policy);
          const { set } = await prompt.start(policy, IDS, PREFIX);
          const shared = await goOn(runner, set);
          assert.deepEqual(shared, await alone(runner, policy), policy.key);
        }
        prompt.close();
        assert.equal(runner.table.pool.used, 0);
        close();
      });

    test("what one pass cannot watch for two policies, the second reads itself", async () => {
      const { runner, policyOf, close } = open(candidate);
      const [first, second, kvzap] = [
        policyOf("expected:budget=30,sinks=2"),
        policyOf("expected:budget=30,sinks=5"),
        policyOf("kvzap:threshold=0.1,prefill=dense"),
      ];
      const prompt = new Prompt(runner, [policyOf("dms:prefill=dense"), first, second, kvzap]);
      assert.deepEqual(
        [first, second, kvzap].map((policy) => prompt.serves(policy)),
        [true, false, false],
      );
      await prompt.read(IDS, PREFIX);
      runner.adopt(second);
      const { set } = await prompt.start(second, IDS, PREFIX);
      assert.deepEqual(await goOn(runner, set), await alone(runner, second));
      prompt.close();
      close();
    });
  });
