// Equal bits: whatever else runs, shares, is preempted or scheduled, each step of a
// chain has the logits of its lone run.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import type { KvFormat, PageFormat } from "../../src/device/device.ts";
import { reference } from "../../src/device/reference.ts";
import type { Chain } from "../../src/engine/chain.ts";
import { Engine } from "../../src/engine/engine.ts";
import { recipes } from "../../src/policy/index.ts";
import { parseSpec } from "../../src/policy/spec.ts";
import { allDevices, type Candidate, devices } from "../device/devices.ts";
import { chainSpec } from "../support/chains.ts";
import { checked } from "../support/checked.ts";
import { hashBits } from "../support/compare.ts";
import { decode, hashLast, readPrompt } from "../support/feed.ts";
import { POLICIES } from "../support/policies.ts";
import { policyFor, spec, type TinyRunner, tinyRunner } from "../support/runner.ts";
import { SEALED } from "../support/sealed.ts";
import { randomTokens } from "../support/tiny.ts";

const CHUNK = 16;
const CONTEXT = 640;
// Prompts of different lengths; the longest has two whole cuts of 256 slots, so that shared pages
// are read for several chains at once.
const PROMPTS = [5, 40, 90, 530].map((length, i) => randomTokens(i + 1, length, 96));

/** Pools that hold one chain and little more: pages, and how many of the prompts are used there. */
const TIGHT: { [policy: string]: { least: number; prompts: number } } = {
  full: { least: 168, prompts: 4 },
  dms: { least: 110, prompts: 4 },
  kvzip: { least: 112, prompts: 3 },
};
/**
 * Others read the prompt densely and then keep 8 to 12 pages per chain (a cut of shared pages may copy as many), so
 * they are short of memory only with short prompts.
 */
const DENSE_TIGHT = { least: 64, prompts: 3 };

/** Where every policy has its turn. */
const MIXED_TIGHT = { least: 112, prompts: 3 };

function build(
  candidate: Candidate,
  policy: string,
  kv: KvFormat | PageFormat,
  pages: number,
): { runner: TinyRunner; close: () => void } {
  const device = candidate.open();
  const runner = tinyRunner(
    device,
    spec(policy),
    { seed: 11, window: 9, weights: kv === "bf16" ? kv : "f32" },
    {
      kv,
      pages,
      chains: 8,
      sets: 8,
      contextLength: CONTEXT,
      chunk: CHUNK,
    },
  );
  return { runner, close: () => device.close() };
}

interface Record {
  policy: string;
  prompt: number;
  tokens: number[];
  hashes: string[]; // of the logits that each token was drawn from, as far as this chain drew it itself
  first: number; // tokens taken over from a parent
  budgeted: number; // tokens that its group's budgets are a share of
}

/** Random joins, aborts and forks over a pool of random size; every chain's hashes and drawn tokens. */
async function schedule(
  candidate: Candidate,
  policies: readonly string[],
  kv: KvFormat | PageFormat,
  seed: number,
): Promise<{ records: Record[]; preemptions: number; shared: number }> {
  const rng = seeded(seed);
  const tight = rng.below(2) === 1;
  const [policy] = policies;
  const { least, prompts } =
    policies.length > 1
      ? MIXED_TIGHT
      : ((typeof kv === "string" ? TIGHT[parseSpec(policy).name] : undefined) ?? DENSE_TIGHT);
  // Where a long prompt takes seconds, float32 is enough.
  const slow = isSlow(candidate) && kv !== "f32";
  const choice = slow ? 3 : tight || policies.some((name) => name.startsWith("kvzip")) ? prompts : PROMPTS.length;
  const { runner, close } = build(candidate, policy, kv, tight ? least + rng.below(least / 3) : 4000);
  const records = new Map<Chain, Record>();
  const live: Chain[] = [];
  const errors: Error[] = [];
  let joins = 6;
  let index = 0;
  let shared = 0;
  const next = () => chainSpec(index++, 3 + rng.below(80), { seed }, errors);
  const register = (chain: Chain, policy: string, prompt: number, first: number) => {
    records.set(chain, { policy, prompt, tokens: chain.tokens, hashes: [], first, budgeted: chain.group.tokens });
    live.push(chain);
  };
  const join = (policy = policies[rng.below(policies.length)]) => {
    const prompt = rng.below(choice);
    const width = 1 + rng.below(4);
    const specs = Array.from({ length: width }, next);
    for (const chain of engine.submit(PROMPTS[prompt], policyFor(runner, spec(policy)), specs).chains)
      register(chain, policy, prompt, 0);
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
        const { policy, prompt } = records.get(parent)!;
        register(engine.fork(parent, next()), policy, prompt, parent.tokens.length);
      }
    },
  });
  join(policies[seed % policies.length]);
  await engine.idle();
  assert.deepEqual(errors, []);
  assert.equal(runner.table.pool.used, 0, "pages left after all chains ended");
  const { preemptions } = engine.scheduler;
  close();
  for (const chain of live) assert.notEqual(chain.finish, "error");
  return { records: [...records.values()], preemptions, shared };
}

/** Feeds a chain's record alone, chunk by chunk and token by token: hash of the logits before each token. */
async function lone(runner: TinyRunner, record: Record): Promise<string[]> {
  const prompt = PROMPTS[record.prompt];
  const set = runner.sets.take(policyFor(runner, spec(record.policy)), prompt.length, record.budgeted);
  await readPrompt(runner, set, prompt, prompt.length);
  const first = await hashLast(runner);
  const later = await decode(runner, set, [...prompt, ...record.tokens.slice(0, -1)], prompt.length);
  runner.sets.close(set);
  return [first, ...later];
}

async function compare(records: Record[], runner: TinyRunner): Promise<number> {
  let compared = 0;
  for (const record of records) {
    if (record.tokens.length === 0) continue;
    const expected = await lone(runner, record);
    for (let i = record.first; i < record.tokens.length; i++, compared++)
      assert.equal(record.hashes[i], expected[i], `prompt ${record.prompt}: step ${i} differs from the lone run`);
  }
  return compared;
}

/** How many schedules run with float32 keys and values, where not eight. */
const SCHEDULES: { [policy: string]: number } = {
  full: 32,
  dms: 32,
  "tova:budget=30": 32,
  "h2o:budget=30": 16,
  "streaming:budget=30": 16,
  "snapkv:budget=30,window=8,every=11": 16,
  "rkv:budget=30,buffer=9,window=4": 16,
  "dms-budget:budget=30,buffer=9": 16,
  "knorm:cr=3,every=6": 4,
  "kvzip:budget=30": 4,
};
/** With bfloat16 two each, more where pages are shared the most. */
const BF16: { [policy: string]: number } = { full: 8, dms: 8 };
const schedules: [string, KvFormat, number][] = [
  ...POLICIES.map((policy): [string, KvFormat, number] => [policy, "f32", SCHEDULES[policy] ?? 8]),
  ...POLICIES.map((policy): [string, KvFormat, number] => [policy, "bf16", BF16[policy] ?? 2]),
];
const SLOW = 32; // the reference, here or behind messages, takes this many times fewer schedules
const isSlow = ({ name }: Candidate): boolean => !name.startsWith("cpu");

test("every policy is here", () => {
  assert.deepEqual(
    [...new Set(POLICIES.map((policy) => parseSpec(policy).name))].sort(),
    recipes.map(({ name }) => name).sort(),
  );
  for (const policy of [...Object.keys(SCHEDULES), ...Object.keys(BF16)]) assert.ok(POLICIES.includes(policy), policy);
});

for (const candidate of allDevices.filter((d) => d.name !== "cpu, threads 1"))
  describe(`equal bits on ${candidate.name}`, () => {
    for (const [policy, kv, count] of schedules)
      test(`${policy}, ${kv}`, async () => {
        const alone = build(
          devices.find((d) => d.name === "cpu, threads 1" && !isSlow(candidate)) ?? candidate,
          policy,
          kv,
          4000,
        );
        let preemptions = 0;
        let compared = 0;
        let shared = 0;
        for (let seed = 1; seed <= Math.ceil(count / (isSlow(candidate) ? SLOW : 1)); seed++) {
          const run = await schedule(candidate, [policy], kv, seed);
          preemptions += run.preemptions;
          shared = Math.max(shared, run.shared);
          compared += await compare(run.records, alone.runner);
        }
        alone.close();
        assert.ok(
          compared > 100 && shared > 1,
          `${compared} steps compared, at most ${shared} holders: too few to show anything`,
        );
        // A pool that holds KVzip's replay holds all chains that follow; bf16 and the
        // reference device have few schedules.
        if (!isSlow(candidate) && kv === "f32" && !policy.startsWith("kvzip"))
          assert.ok(preemptions > 0, "no chain was preempted");
      });

    for (const kv of ["f32", "bf16"] as const)
      test(`all policies in one engine, ${kv}`, async () => {
        const one = devices.find((d) => d.name === "cpu, threads 1" && !isSlow(candidate)) ?? candidate;
        const alone = build(one, "full", kv, 4000);
        const seen = new Set<string>();
        let [preemptions, compared] = [0, 0];
        for (let seed = 1; seed <= (isSlow(candidate) ? 1 : 24); seed++) {
          const run = await schedule(candidate, POLICIES, kv, seed);
          preemptions += run.preemptions;
          for (const { policy, tokens } of run.records) if (tokens.length) seen.add(policy);
          compared += await compare(run.records, alone.runner);
        }
        alone.close();
        assert.ok(compared > 100, `${compared} steps compared`);
        if (isSlow(candidate)) return;
        assert.equal(seen.size, POLICIES.length, "some policy had no turn");
        assert.ok(preemptions > 0, "no chain was preempted");
      });
  });

describe("equal bits on pages that are sealed when they are full", () => {
  const candidate = { name: "reference", open: () => checked(reference({ formats: [SEALED] })), tolerance: 0 };
  for (const policy of ["full", "dms", "streaming:budget=30", "kvzap:threshold=0,window=9"])
    test(policy, async () => {
      const alone = build(candidate, policy, SEALED, 4000);
      const plain = build(candidate, policy, "f32", 4000);
      let [preemptions, compared, shared, rounded] = [0, 0, 0, 0];
      for (let seed = 1; seed <= 4; seed++) {
        const run = await schedule(candidate, [policy], SEALED, seed);
        preemptions += run.preemptions;
        shared = Math.max(shared, run.shared);
        compared += await compare(run.records, alone.runner);
        for (const record of run.records.filter(({ tokens }) => tokens.length > 0)) {
          const exact = await lone(plain.runner, record);
          rounded += exact.filter((hash, i) => record.hashes[i] !== undefined && hash !== record.hashes[i]).length;
        }
      }
      for (const { close } of [alone, plain]) close();
      assert.ok(compared > 100 && shared > 1 && preemptions > 0, `${compared}, ${shared}, ${preemptions}`);
      assert.ok(rounded > compared / 2, `only ${rounded} of ${compared} rows show that keys were rounded`);
    });

  test("policies that cut are refused by name", () => {
    const { runner, close } = build(candidate, "full", SEALED, 4000);
    const engine = new Engine(runner);
    for (const policy of POLICIES) {
      const submit = () => engine.submit(PROMPTS[0], policyFor(runner, spec(policy)), []);
      const cuts = policyFor(runner, spec(policy)).cut !== null;
      const name = parseSpec(policy).name;
      assert.throws(
        submit,
        cuts ? new RegExp(`policy ${name} cuts, and full pages of the format sealed`) : /one chain/,
      );
    }
    close();
  });
});
