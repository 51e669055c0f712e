// Functions that score chains, verifiers of one's own, and a gold answer.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { Equality } from "../../src/scale/equality/equality.ts";
import { functionVerifier, type Judge } from "../../src/scale/verifier/function.ts";
import { goldVerifier } from "../../src/scale/verifier/gold.ts";
import type { Verifier } from "../../src/scale/verifier/verifier.ts";
import { asked, chainsOf } from "../support/verified.ts";

const three = chainsOf(["42", "41", null]);

describe("a function", () => {
  test("scores chains, or passes them", async () => {
    assert.deepEqual(
      await asked(
        functionVerifier(({ chain }) => chain / 2),
        three,
      ),
      [0, 0.5, 1],
    );
    const passes = functionVerifier(async ({ answer }) => answer === "42");
    assert.deepEqual(await asked(passes, three), [1, 0, 0]);
    assert.equal(
      functionVerifier(function length() {
        return 1;
      }).name,
      "function length",
    );
  });

  test("that throws, hangs or gives no number costs the chain at hand its vote", async () => {
    const bad: Judge = ({ chain }) => {
      if (chain === 0) throw new Error("no\u0007 idea");
      return chain === 1 ? new Promise(() => {}) : ("high" as never);
    };
    const started = performance.now();
    assert.deepEqual(await asked(functionVerifier(bad, { limit: 0.2 }), three), [
      "no\\u{7} idea",
      "no score within 0.2 s",
      'expected a finite number as its score, got "high"',
    ]);
    assert.ok(performance.now() - started < 20_000);
    for (const score of [Number.NaN, Infinity, undefined, null, {}, 10n])
      for (const why of await asked(
        functionVerifier(() => score as never),
        three,
      ))
        assert.match(String(why), /expected a finite number as its score|serialize a BigInt/);
  });

  test("is told when its time is up, and asked about few chains at a time", async () => {
    let stopped = 0;
    let most = 0;
    let now = 0;
    const slow: Judge = (_, signal) => {
      most = Math.max(most, ++now);
      return new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          stopped++;
          now--;
          reject(signal.reason);
        }),
      );
    };
    const many = chainsOf(Array.from({ length: 7 }, () => "1"));
    const whys = await asked(functionVerifier(slow, { limit: 0.05, atOnce: 3 }), many);
    assert.ok(whys.every((why) => why === "no score within 0.05 s"));
    assert.deepEqual([stopped, most], [7, 3]);
  });

  test("ends with the call", async () => {
    const controller = new AbortController();
    const asking = asked(
      functionVerifier(() => new Promise(() => {})),
      three,
      controller.signal,
    );
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await assert.rejects(asking, /enough/);
  });

  test("options that make no sense are refused", () => {
    for (const options of [{ limit: -1 }, { limit: 1e9 }, { atOnce: 0 }, { atOnce: 1.5 }])
      assert.throws(
        () => functionVerifier(() => 1, options),
        (error) => error instanceof HyperthinkError && error.code === "bad-argument",
      );
  });
});

test("a verifier of one's own is not trusted: each chain has one finite score, or why it has none", async () => {
  const own = (score: unknown): Verifier => ({ name: "own", score: score as Verifier["score"] });
  const said = async (scores: unknown) =>
    asked(
      own(async () => scores),
      three,
    );
  assert.deepEqual(await said([{ chain: 2, score: 1 }, { chain: 0, score: 2 }, { chain: 8, score: 3 }, null]), [
    2,
    "the verifier did not score it",
    1,
  ]);
  assert.deepEqual(
    await said([
      { chain: 0, score: 1 },
      { chain: 0, score: 1 },
      { chain: 1, why: "x\ny" },
      { chain: 2, score: "1" },
    ]),
    ["the verifier scored it more than once", "x y", 'expected a finite number as its score, got "1"'],
  );
  for (const none of [null, undefined, {}, "scores"])
    for (const why of await said(none)) assert.match(String(why), /the verifier failed: expected a list of scores/);
  const throws = own(() => {
    throw new Error(`broken ${"x".repeat(5000)}`);
  });
  for (const why of await asked(throws, three))
    assert.match(String(why), /^the verifier failed: broken x{200,300} \.\.$/);
  const hangs = own(() => new Promise(() => {}));
  await assert.rejects(asked(hangs, three, AbortSignal.timeout(30)), /timeout/i);
});

test("a gold answer: as a grader has it, and nothing for a chain without an answer", async () => {
  await using equality = new Equality();
  const chains = chainsOf(["50", "50\\%", "\\frac{100}{2}", "49", null]);
  assert.deepEqual(await asked(goldVerifier("50", equality), chains), [1, 1, 1, 0, 0]);
});
