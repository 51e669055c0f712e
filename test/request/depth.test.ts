// Budgets of thinking: ends that are forced or replaced, and that what is forced is as if it had been drawn.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { abacusProblems } from "../../src/eval/abacus/problems.ts";
import type { DepthOptions } from "../../src/request/depth.ts";
import { generate } from "../../src/request/generate.ts";
import { load, type Session } from "../../src/request/session.ts";
import { type ScaleResult, scale } from "../../src/scale/scale.ts";
import { program } from "../support/program.ts";

const model = fileURLToPath(new URL("../../models/abacus", import.meta.url));
const [{ question }] = abacusProblems({ count: 1, seed: 5, low: 4, high: 4 });
const NUDGE = " wait\n";

let session: Session;
before(async () => {
  session = await load({ model });
});
after(() => session.close());

const run = (options: DepthOptions & { policy?: string; window?: number }, on = session): Promise<ScaleResult> =>
  scale(on, question, { width: 6, seed: 3, maxTokens: 700, earlyStop: false, ...options }).result;

/** Tokens of the thinking: the prompt opens it. */
const thought = async (text: string): Promise<number> =>
  (await session.tokenizer.encode(text.split("</think>")[0], { special: false })).length;

describe("a budget of thinking", () => {
  test("is a forced end where it is used up, after which the chain answers", async () => {
    for (const [thinkMost, thinkLast] of [
      [1, undefined],
      [60, undefined],
      [60, "\n wait\n"],
    ] as const)
      for (const { text, forced, tokens, answer } of (await run({ thinkMost, thinkLast })).chains) {
        assert.ok(text.includes(`${thinkLast ?? "\n"}</think>`), text);
        const last = thinkLast === undefined ? 1 : 3;
        assert.equal(await thought(text), thinkMost + last);
        assert.equal(forced, last + 1);
        assert.match(text, /<\/think>\n\\boxed\{\d+\}$/);
        assert.ok(answer.kind === "answer" && tokens > thinkMost + forced);
      }
  });

  test("that is never used up changes nothing", async () => {
    const [plain, budgeted] = [await run({}), await run({ thinkMost: 700 })];
    assert.deepEqual(budgeted.chains, plain.chains);
    assert.ok(plain.chains.every(({ forced }) => forced === 0));
  });

  test("ends that come early become nudges, so many times, or until the thinking is long enough", async () => {
    const waits = (text: string) => text.split(" wait\n").length - 1;
    const plain = await run({});
    for (const { text, forced } of (await run({ nudges: 2 })).chains) {
      if (!text.includes("</think>")) continue; // its tokens ran out
      assert.ok(waits(text) >= 2, text);
      assert.equal(forced, 4);
    }
    const least = 300;
    let nudged = 0;
    for (const { chain, text, forced } of (await run({ thinkLeast: least, nudge: NUDGE })).chains) {
      if (!text.includes("</think>")) continue;
      assert.ok((await thought(text)) >= least);
      const own = plain.chains[chain].text;
      const at = own.indexOf("</think>");
      if (forced === 0) continue;
      nudged++;
      assert.ok(text.startsWith(own.slice(0, at) + NUDGE), "up to the end that was replaced it is the chain of before");
    }
    assert.ok(nudged >= 3, `${nudged}`);
  });

  test("both: never beyond the most", async () => {
    for (const { text } of (await run({ thinkLeast: 200, thinkMost: 220, nudge: NUDGE })).chains) {
      const tokens = await thought(text);
      assert.ok(tokens >= 200 && tokens <= 221, `${tokens}`);
    }
  });

  test("counts from where the model itself opens the thinking, and not at all where it does not", async () => {
    const plain = await run({});
    // A digit that chains write stands for the tag: the prompt does not open this thinking.
    const within = (open: string) => ({ thinking: { open, close: "</think>" } });
    for (const thinkMost of [1, 40])
      for (const { chain, text, forced } of (await run({ ...within("8"), thinkMost })).chains) {
        const own = plain.chains[chain].text;
        const opened = own.slice(0, own.indexOf("= 18") + "= 18".length);
        assert.ok(text.startsWith(opened), text);
        assert.equal(await thought(text.slice(opened.length)), thinkMost + 1);
        // Who opens it again has nothing left to spend.
        assert.equal(forced, 2 * (text.split("</think>").length - 1), text);
      }
    for (const { chain, text, forced } of (await run({ ...within("8"), nudges: 1 })).chains) {
      const own = plain.chains[chain].text;
      assert.ok(text.startsWith(`${own.slice(0, own.indexOf("</think>"))} wait\n`), text);
      assert.equal(forced, 2);
    }
    assert.ok(plain.chains.every(({ text }) => !text.includes("~")));
    for (const unopened of [{ thinkMost: 1 }, { nudges: 1 }])
      assert.deepEqual((await run({ ...within("~"), ...unopened })).chains, plain.chains);
  });

  test("holds for a lone chain, whose pieces hold all of its tokens", async () => {
    const generation = generate(session, question, { thinkMost: 30, temperature: 0, maxTokens: 60 });
    const ids: number[] = [];
    for await (const { token } of generation) if (token) ids.push(token.id);
    const { text, tokens, forced } = await generation.result;
    assert.equal(ids.length, tokens);
    assert.equal(forced, 2);
    assert.match(text, /\n\n\\boxed\{\d+\}$/); // special tokens are not shown here
  });

  test("is given on the command line, with escapes", () => {
    const done = program([
      "scale",
      "-m",
      model,
      "-w",
      "2",
      "--think-most",
      "20",
      "--think-last",
      "\\n",
      "--json",
      question,
    ]);
    assert.equal(done.code, 0, done.err);
    for (const { forced } of (JSON.parse(done.out) as ScaleResult).chains) assert.equal(forced, 2);
    const wrong = program(["generate", "-m", model, "--think-most", "0", question]);
    assert.match(wrong.err, /thinkMost: expected a whole number from 1, got 0/);
    const moot = (most: string) =>
      program(["scale", "-m", "none", "--max-tokens", "60", "--think-most", most, "?"]).err;
    assert.match(moot("60"), /^note: --think-most 60 cuts nothing of chains that end at 60 tokens: expected fewer/);
    assert.match(moot("59"), /^error: none: no such folder/);
  });

  test("that makes no sense is refused", async () => {
    const refused = (options: DepthOptions, words: RegExp, code = "bad-argument") =>
      assert.rejects(run(options), (error) => {
        assert.ok(error instanceof HyperthinkError && error.code === code, String(error));
        return words.test(error.message);
      });
    await refused({ thinkMost: 0 }, /thinkMost/);
    await refused({ thinkLeast: -1 }, /thinkLeast/);
    await refused({ nudges: 1.5 }, /nudges/);
    await refused({ thinkMost: 5, thinkLeast: 6 }, /at most thinkMost/);
    await refused({ thinkMost: 5, thinking: null }, /expected tags/);
    await refused({ nudges: 1, nudge: "" }, /nudge: expected a text/);
    await refused({ nudges: 1, thinking: { open: "<a>", close: "</a>" } }, /tags that are tokens/, "unsupported");
  });
});

describe("what is forced goes through the cache like what is drawn", () => {
  const budget = { thinkLeast: 250, thinkMost: 400, nudge: NUDGE, thinkLast: "\n wait\n" };
  const policies = [
    { policy: "full" },
    // Chains that grow after they began, as else they would wait at the start and never be preempted.
    { policy: "streaming:budget=200" },
    { policy: "h2o:budget=200" },
    { policy: "snapkv:cr=2" },
  ];
  for (const { policy } of policies)
    test(`${policy}: a pool that chains must leave and come back to gives the same chains`, async () => {
      const plain = await run({ ...budget, policy });
      assert.ok(plain.chains.filter(({ forced }) => forced > 0).length >= 3);
      const pages = Math.ceil(2.2 * Math.max(...plain.chains.map(({ peakPages }) => peakPages)));
      const { bytesPerPage } = session.runner.table.device;
      await using small = await load({ model, kvMemory: pages * bytesPerPage, threads: 1 });
      const pressed = await run({ ...budget, policy }, small);
      const told = ({ chains }: ScaleResult) => chains.map(({ text, tokens, forced }) => ({ text, tokens, forced }));
      assert.deepEqual(told(pressed), told(plain));
      assert.ok(plain.usage.compressionRatio > 1.05 || policy === "full", "the policy evicts");
      assert.ok(small.engine.scheduler.preemptions > 0, "no chain was preempted");
    });
});
