// A policy of a caller's own: it works where the shipped ones do, and its mistakes are its own.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Comparison, generate, HyperthinkError, load, once, type Policy, scale, summarise } from "../../src/index.ts";

const model = fileURLToPath(new URL("../../models/beads", import.meta.url));
const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
const session = await load({ model, kvMemory: 8 << 20, context: 512 });
after(() => session.close());

/** Ranks by position: the newest stay. */
function own(rescore: NonNullable<Policy["cut"]>["rescore"], every = 8): Policy {
  const base = once("own", { budget: 40, every }, [], { sinks: 4 });
  return { ...base, cut: { ...base.cut!, rescore } };
}
const newest = own(({ positions, scores }) => scores.set(positions));
const run = (policy: Policy | string) => generate(session, question, { policy, maxTokens: 60 }).result;

describe("a policy of one's own", () => {
  test("generate, scale and compare", async () => {
    const { compressionRatio, text } = await run(newest);
    assert.ok(compressionRatio > 1.2 && text.length > 0);
    const { usage } = await scale(session, question, { policy: newest, width: 3, maxTokens: 60, seed: 1 }).result;
    assert.ok(usage.compressionRatio > 1.2);
    const candidates = [
      { label: "full", policy: session.policy("full"), cr: null },
      { label: "own", policy: newest, cr: null },
      { label: "observed", policy: session.policy("observed:cr=2"), cr: 2 },
    ];
    const ids = await session.tokenizer.encode(question.repeat(4), { special: false });
    const result = await new Comparison(session, candidates, { prefix: 60 }).run(0, ids);
    const alone = await new Comparison(session, [candidates[0], candidates[2]], { prefix: 60 }).run(0, ids);
    assert.deepEqual(result.scores[2].kl, alone.scores[1].kl, "company changes nothing");
    const [full, mine] = summarise([result], candidates, session.config.kvHeads);
    assert.equal(full.kl.mean, 0);
    assert.ok(mine.kl.mean > 0 && mine.cr > 1.2);
  });

  test("comparisons at a time give what each gives alone", async () => {
    const ids = await session.tokenizer.encode(question.repeat(4), { special: false });
    const of = (spec: string) =>
      new Comparison(
        session,
        [
          { label: "full", policy: session.policy("full"), cr: null },
          { label: spec, policy: session.policy(spec), cr: null },
        ],
        { prefix: 60 },
      );
    const kl = async (comparison: Comparison) => (await comparison.run(0, ids)).scores[1].kl;
    const [snapkv, h2o] = [await kl(of("snapkv:budget=36")), await kl(of("h2o:budget=30"))];
    const twice = of("snapkv:budget=36");
    assert.deepEqual(await Promise.all([kl(twice), kl(of("h2o:budget=30")), kl(twice)]), [snapkv, h2o, snapkv]);
  });

  test("a budget that is no number gives its lanes back", async () => {
    const lost: Policy = { ...own(() => {}), cut: { ...own(() => {}).cut!, budget: () => Number.NaN } };
    for (let i = 0; i < 100; i++) await assert.rejects(run(lost), /expected a budget of keys, got NaN/);
    await run("full");
  });

  test("what a policy says is checked wherever it is used", async () => {
    const snapkv = session.policy("snapkv:budget=36");
    const blind = { ...snapkv, cut: { ...snapkv.cut!, watch: { ...snapkv.cut!.watch, queries: 0 } } };
    const candidates = [
      { label: "full", policy: session.policy("full"), cr: null },
      { label: "blind", policy: blind, cr: null },
    ];
    assert.throws(() => new Comparison(session, candidates, { prefix: 60 }), /watch at least the 32 queries/);
    const expected = session.policy("expected:budget=30");
    const late = { ...expected, cut: { ...expected.cut!, decode: { every: 4, score: expected.cut!.atPrompt! } } };
    assert.throws(() => session.check(late), /prompt's end only/);
    const epikv = session.policy("epikv:budget=90").cut!;
    const changes = (early: number, late: number) => ({ ...epikv.watch, changes: { early, late, window: 8 } });
    for (const [cut, message] of [
      [{ ...epikv, watch: changes(2, 1) }, /changes before two of the model's \d+ layers, the early one first/],
      [{ ...epikv, watch: changes(0, session.config.layers) }, /changes before two of the model's/],
      [{ ...epikv, rule: { ...epikv.rule, recent: 0.5 } }, /recent >= 1 with changes/],
      [{ ...epikv, watch: { ...epikv.watch, changes: null } }, /to watch changes, which it ranks by/],
    ] as const)
      assert.throws(() => session.check({ ...session.policy("epikv:budget=90"), cut }), message);
    const kvzip = session.policy("kvzip:budget=30");
    assert.throws(
      () => session.check({ ...kvzip, cut: { ...kvzip.cut!, decode: { every: 4, score: [] } } }),
      /layer by layer/,
    );
    await assert.rejects(generate(session, question, { policy: snapkv, cr: 4 }).result, /beside a policy object/);
  });

  test("protected keys that fill a budget alone are refused where a chain would forget what it says", async () => {
    for (const policy of ["tova:cr=4,protect=prompt", "knorm:budget=5,every=4,protect=9", "epikv:budget=9"])
      await assert.rejects(generate(session, question, { policy, maxTokens: 20 }).result, /nothing would be left/);
    await generate(session, question, { policy: "snapkv:cr=2,protect=prompt", maxTokens: 3 }).result;
    assert.throws(() => session.policy("kvzap:cr=8"), /has no cr/);
  });

  test("two policies of one name run their own code, side by side", async () => {
    const calls = { a: 0, b: 0 };
    const count = (name: "a" | "b") =>
      own(() => {
        calls[name]++;
      });
    await Promise.all([run(count("a")), run(count("b"))]);
    assert.ok(calls.a > 0 && calls.a === calls.b, JSON.stringify(calls));
  });

  test("what goes wrong in it is told, and the session goes on", async () => {
    const before = await run("full");
    for (const [policy, message] of [
      [
        own(() => {
          throw new Error("mine");
        }),
        /mine/,
      ],
      [own(({ scores }) => scores.fill(Number.NaN)), /got NaN for the key at position 0/],
      [own(() => {}, 8), null],
    ] as const) {
      if (message) await assert.rejects(run(policy), message);
      else await run(policy);
      assert.equal(session.runner.table.pool.used, 0, "pages left");
      assert.equal((await run("full")).text, before.text);
    }
  });

  test("declarations that do not fit are refused before anything runs", async () => {
    const { cut } = newest;
    for (const [policy, message] of [
      [{ ...newest, cut: { ...cut!, rule: { ...cut!.rule, slack: 0 } } }, /slack >= 1/],
      [{ ...newest, cut: { ...cut!, decode: { every: 0.5, score: [] } } }, /decode.every to be a whole number/],
      [{ ...newest, labels: { source: "dms", threshold: 0, window: 4, spare: 0 } }, /labels or a cut, not both/],
      [
        { ...newest, cut: null, labels: { source: "dms", threshold: 0, window: 4, spare: 0 } },
        /a model with DMS gates/,
      ],
      [
        { ...newest, cut: { ...cut!, atPrompt: session.policy("snapkv:cr=2").cut!.atPrompt } },
        /watch at least the 32 queries/,
      ],
    ] as [Policy, RegExp][])
      await assert.rejects(
        run(policy),
        (error) => error instanceof HyperthinkError && error.code === "bad-argument" && message.test(error.message),
      );
  });

  test("room in the pool is planned for its cuts too", async () => {
    await using small = await load({ model, kvMemory: 400 << 10, context: 512 });
    const { chains } = await scale(small, question, {
      policy: newest,
      width: 8,
      maxTokens: 80,
      earlyStop: false,
      seed: 2,
    }).result;
    assert.equal(chains.length, 8);
  });
});
