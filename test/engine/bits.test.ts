// Equal bits: whatever else runs, shares, is preempted or scheduled, each step of a chain has the logits of its lone run.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import type { Dtype } from "../../src/device/device.ts";
import type { Chain, Finish } from "../../src/engine/chain.ts";
import { Engine } from "../../src/engine/engine.ts";
import { Runner } from "../../src/engine/runner.ts";
import { greedy } from "../../src/engine/sampling.ts";
import { makePolicy, recipes } from "../../src/policy/index.ts";
import { parseSpec } from "../../src/policy/spec.ts";
import { type Candidate, devices } from "../device/devices.ts";
import { addProbes } from "../policy/rig.ts";
import { hashBits } from "../support/hash.ts";
import { randomTokens, tinyModel } from "../support/tiny.ts";

const CHUNK = 16;
const CONTEXT = 640;
// Prompts of different lengths; the longest has two whole cuts of 256 slots, so that shared pages are read for several chains at once.
const PROMPTS = [5, 40, 90, 530].map((length, i) => randomTokens(i + 1, length, 96));

/** Pools that hold one chain and little more: pages, and how many of the prompts are used there. */
const TIGHT: { [policy: string]: { least: number; prompts: number } } = {
  full: { least: 168, prompts: 4 },
  dms: { least: 110, prompts: 4 },
  kvzip: { least: 112, prompts: 3 },
};
/**
 * Others read the prompt densely and then keep 8 to 12 pages a chain (a cut of shared pages may copy as many), so they are short
 * of memory only with short prompts.
 */
const DENSE_TIGHT = { least: 64, prompts: 3 };

function build(candidate: Candidate, policy: string, kv: Dtype, pages: number): { runner: Runner; close: () => void } {
  const device = candidate.open();
  const model = tinyModel(device, { seed: 11, window: 9, weights: kv });
  addProbes(device, model, 12);
  const { name, options } = parseSpec(policy);
  const trained = { ...model.config, probe: true, replay: { first: [7, 8, 9], next: [7, 8, 9], reply: [] } };
  const runner = new Runner(device, model, makePolicy(name, trained, options), {
    kv,
    kvBytes: pages * (kv === "f32" ? 16 * (2 * 12 * 4 + 4) : 16 * (2 * 12 * 2 + 4)),
    chains: 8,
    sets: 8,
    contextLength: CONTEXT,
    chunk: CHUNK,
    rows: CHUNK + 8 + 16,
    logitRows: 9,
    samplers: 32,
  });
  return { runner, close: () => device.close() };
}

interface Record {
  prompt: number;
  tokens: number[];
  hashes: string[]; // of the logits that each token was drawn from, as far as this chain drew it itself
  first: number; // tokens taken over from a parent
  budgeted: number; // tokens that its group's budgets are a share of
}

/** Random joins, aborts and forks over a pool of random size; every chain's hashes and drawn tokens. */
async function schedule(
  candidate: Candidate,
  policy: string,
  kv: Dtype,
  seed: number,
): Promise<{ records: Record[]; preemptions: number; shared: number }> {
  const rng = seeded(seed);
  const tight = rng.below(2) === 1;
  const { least, prompts } = TIGHT[parseSpec(policy).name] ?? DENSE_TIGHT;
  // Where a long prompt takes seconds, float32 is enough.
  const slow = candidate.name === "reference" && kv === "bf16";
  const choice = slow ? 3 : tight || policy.startsWith("kvzip") ? prompts : PROMPTS.length;
  const { runner, close } = build(candidate, policy, kv, tight ? least + rng.below(least / 3) : 4000);
  const records = new Map<Chain, Record>();
  const live: Chain[] = [];
  const errors: string[] = [];
  let joins = 6;
  let index = 0;
  let shared = 0;
  const spec = () => ({
    sampling: { ...greedy, temperature: 1, seed },
    maxTokens: 3 + rng.below(80),
    stopIds: new Set<number>(),
    index: index++,
    onFinish: (_: Finish, error?: Error) => {
      if (error) errors.push(error.message);
    },
  });
  const register = (chain: Chain, prompt: number, first: number) => {
    records.set(chain, { prompt, tokens: chain.tokens, hashes: [], first, budgeted: chain.group.tokens });
    live.push(chain);
  };
  const join = () => {
    const prompt = rng.below(choice);
    const width = 1 + rng.below(4);
    for (const chain of engine.submit(PROMPTS[prompt], Array.from({ length: width }, spec)).chains)
      register(chain, prompt, 0);
  };
  const engine = new Engine(runner, {
    onLogits: (chain, i, logits) => {
      records.get(chain)!.hashes[i] = hashBits(logits);
    },
    onStep: () => {
      runner.table.check();
      shared = Math.max(shared, ...runner.table.pool.holders);
      const running = live.filter((chain) => !chain.finish);
      if (joins > 0 && rng.below(6) === 0) joins-- && join();
      if (running.length && rng.below(25) === 0) engine.abort(running[rng.below(running.length)]);
      if (running.length && rng.below(15) === 0 && running.length < 10) {
        const parent = running[rng.below(running.length)];
        register(engine.fork(parent, spec()), records.get(parent)!.prompt, parent.tokens.length);
      }
    },
  });
  join();
  await engine.idle();
  assert.deepEqual(errors, []);
  assert.equal(runner.table.pool.used, 0, "pages left after all chains ended");
  const { preemptions } = engine.scheduler;
  close();
  for (const chain of live) assert.notEqual(chain.finish, "error");
  return { records: [...records.values()], preemptions, shared };
}

/** Feeds a chain's record alone, chunk by chunk and token by token: hash of the logits before each token. */
async function lone(runner: Runner, record: Record): Promise<string[]> {
  const prompt = PROMPTS[record.prompt];
  const ids = [...prompt, ...record.tokens];
  const set = runner.open(prompt.length, record.budgeted);
  const logits = new Float32Array(96);
  const hashes: string[] = [];
  for (let at = 0; at < ids.length - 1; ) {
    const chunk = at < prompt.length;
    const count = chunk ? Math.min(CHUNK, prompt.length - at) : 1;
    const segment = {
      set,
      kind: chunk ? "chunk" : "steps",
      ids,
      from: at,
      count,
      prompt: prompt.length,
      logits: "last",
    } as const;
    runner.reserve(segment);
    await runner.step([segment], []);
    at += count;
    if (at >= prompt.length) {
      await runner.logits(0, logits);
      hashes.push(hashBits(logits));
    }
  }
  runner.table.close(set);
  return hashes;
}

async function compare(records: Record[], runner: Runner): Promise<number> {
  let compared = 0;
  for (const record of records) {
    if (record.tokens.length === 0) continue;
    const expected = await lone(runner, record);
    for (let i = record.first; i < record.tokens.length; i++, compared++)
      assert.equal(record.hashes[i], expected[i], `prompt ${record.prompt}: step ${i} differs from the lone run`);
  }
  return compared;
}

/** Policies and how many schedules each runs with float32 keys and values. */
const POLICIES: [string, number][] = [
  ["full", 32],
  ["dms", 32],
  ["tova:budget=30", 32],
  ["h2o:budget=30", 16],
  ["streaming:budget=30", 16],
  ["streaming:budget=30,positions=cache", 8],
  ["streaming:budget=30,prefill=sparse", 8],
  ["snapkv:budget=30,window=8,every=11", 16],
  ["snapkv:budget=30,window=8,every=11,ada=0.2", 8],
  ["pyramidkv:budget=40,window=4,every=11", 8],
  ["adakv:budget=30,window=8", 8],
  ["knorm:cr=3,every=6", 4],
  ["rkv:budget=30,buffer=9,window=4", 16],
  ["dms-budget:budget=30,buffer=9", 16],
  ["quest:budget=60", 8],
  ["keydiff:budget=30,every=5", 8],
  ["random:budget=30,every=5,protect=prompt", 8],
  ["expected:budget=30", 8],
  ["observed:budget=30", 8],
  ["kvzip:budget=30", 4],
  ["kvzap:threshold=0,window=9", 8],
];
/** With bfloat16 two each, more where pages are shared the most. */
const BF16: { [policy: string]: number } = { full: 8, dms: 8 };
const schedules: [string, Dtype, number][] = [
  ...POLICIES.map(([policy, count]): [string, Dtype, number] => [policy, "f32", count]),
  ...POLICIES.map(([policy]): [string, Dtype, number] => [policy, "bf16", BF16[policy] ?? 2]),
];
const SLOW = 32; // the reference device takes this many times fewer schedules

test("every policy is here", () => {
  assert.deepEqual(
    [...new Set(POLICIES.map(([policy]) => parseSpec(policy).name))].sort(),
    recipes.map(({ name }) => name).sort(),
  );
});

for (const candidate of devices.filter((d) => d.name !== "cpu, threads 1"))
  describe(`equal bits on ${candidate.name}`, () => {
    for (const [policy, kv, count] of schedules)
      test(`${policy}, ${kv}`, async () => {
        const alone = build(
          devices.find((d) => d.name === "cpu, threads 1" && candidate.name !== "reference") ?? candidate,
          policy,
          kv,
          4000,
        );
        let preemptions = 0;
        let compared = 0;
        let shared = 0;
        for (let seed = 1; seed <= Math.ceil(count / (candidate.name === "reference" ? SLOW : 1)); seed++) {
          const run = await schedule(candidate, policy, kv, seed);
          preemptions += run.preemptions;
          shared = Math.max(shared, run.shared);
          compared += await compare(run.records, alone.runner);
        }
        alone.close();
        assert.ok(
          compared > 100 && shared > 1,
          `${compared} steps compared, at most ${shared} holders: too few to show anything`,
        );
        // A pool that holds KVzip's replay holds all chains that follow; bf16 and the reference device have few schedules.
        if (candidate.name !== "reference" && kv === "f32" && !policy.startsWith("kvzip"))
          assert.ok(preemptions > 0, "no chain was preempted");
      });
  });
