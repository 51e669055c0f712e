// scale with aggregators beside the majority: what is measured while chains run, who chooses, and what the result says.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import type { Token } from "../../src/engine/chain.ts";
import { Engine } from "../../src/engine/engine.ts";
import { greedy } from "../../src/engine/sampling.ts";
import { abacusProblems } from "../../src/eval/abacus/problems.ts";
import { generate } from "../../src/request/generate.ts";
import { load, type Session } from "../../src/request/session.ts";
import type { Aggregator } from "../../src/scale/aggregate/aggregator.ts";
import { longest } from "../../src/scale/aggregate/longest.ts";
import { chainConfidence } from "../../src/scale/aggregate/measure.ts";
import { messagesOf, verifierChain } from "../../src/scale/ballots.ts";
import { type ChainResult, type ScaleEvent, type ScaleOptions, scale } from "../../src/scale/scale.ts";
import { commandVerifier } from "../../src/scale/verifier/command.ts";
import type { VerifierChain } from "../../src/scale/verifier/verifier.ts";
import { devices } from "../device/devices.ts";
import { spec, tinyRunner } from "../support/runner.ts";
import { Script } from "../support/scripted.ts";

const models = fileURLToPath(new URL("../../models/", import.meta.url));
const [{ question }] = abacusProblems({ count: 1, seed: 5, low: 4, high: 4 });

let session: Session;
before(async () => {
  session = await load({ model: `${models}abacus` });
});
after(() => session.close());

const refused = (options: ScaleOptions, words: RegExp) =>
  assert.rejects(scale(session, question, options).result, (error) => {
    assert.ok(error instanceof HyperthinkError && error.code === "bad-argument", String(error));
    return words.test(error.message);
  });

describe("confidence", () => {
  const common = { width: 6, seed: 3, maxTokens: 500 };
  const run = (options: ScaleOptions, on = session) => scale(on, question, { ...common, ...options }).result;

  test("is measured at no change of any chain", async () => {
    const plain = await run({ earlyStop: false });
    const measured = await run({ aggregate: "confidence:window=32" });
    const also = await run({ earlyStop: false, confidence: { window: 32 } });
    for (const { chains } of [measured, also])
      assert.deepEqual(
        chains.map(({ confidence: _, ...chain }) => chain),
        plain.chains,
      );
    assert.deepEqual(also.chains, measured.chains);
    assert.equal(plain.sampling.logprobs, null);
    assert.ok(plain.chains.every((chain) => !("confidence" in chain)));
    assert.equal(plain.aggregator, "majority");
    assert.equal(measured.aggregator, "confidence measure=bottom top=1 k=20 window=32");
    assert.deepEqual([measured.stopped, measured.verifier], [0, null]);
    for (const { chain, weight } of measured.votes)
      if (weight !== null) assert.equal(weight, measured.chains[chain].confidence!.bottom);
    const sums = measured.groups.map(({ chains }) =>
      chains.reduce((sum, chain) => sum + measured.chains[chain].confidence!.bottom, 0),
    );
    assert.deepEqual(
      measured.groups.map(({ weight }) => weight),
      sums,
    );
    assert.ok(new Set(measured.chains.map(({ confidence }) => confidence!.average)).size > 3);
    for (const { confidence, tokens } of measured.chains) {
      assert.equal(confidence!.tokens, tokens);
      assert.ok(confidence!.lowest <= confidence!.bottom && confidence!.bottom <= confidence!.average);
    }
  });

  test("is that of the log-probabilities that a lone chain lists", async () => {
    const { chains, sampling } = await run({ aggregate: "confidence:k=7,window=40", width: 1 });
    assert.equal(sampling.logprobs, 7);
    const generation = generate(session, question, { ...common, ...sampling, template: { enable_thinking: true } });
    const confidences: number[] = [];
    for await (const { token } of generation)
      if (token) {
        assert.equal(token.top.length, 7);
        confidences.push(-token.top.reduce((sum, { logprob }) => sum + logprob, 0) / 7);
      }
    assert.equal(confidences.length, chains[0].tokens);
    const expected = chainConfidence(confidences, 40)!;
    for (const [name, value] of Object.entries(expected))
      assert.ok(Math.abs(chains[0].confidence![name as "tail"] - value) < 1e-9, name);
  });

  test("does not count what a chain was made to say, and survives a pool that chains must leave", async () => {
    const budget = { thinkMost: 60, aggregate: "confidence:window=16" };
    const { chains } = await run(budget);
    for (const { confidence, tokens, forced } of chains) {
      assert.equal(forced, 2);
      assert.equal(confidence!.tokens, tokens - forced);
    }
    const pages = Math.ceil(2.2 * Math.max(...chains.map(({ peakPages }) => peakPages)));
    await using tight = await load({
      model: `${models}abacus`,
      kvMemory: pages * session.runner.table.device.bytesPerPage,
    });
    const measured = ({ chains }: Awaited<ReturnType<typeof run>>) => chains.map(({ confidence }) => confidence);
    assert.deepEqual(measured(await run(budget, tight)), measured({ chains } as never));
  });

  for (const candidate of devices)
    test(`${candidate.name}: a model with fewer tokens than k has them all counted`, async () => {
      const device = candidate.open();
      const runner = tinyRunner(device, spec("full"), { seed: 4, vocabulary: 12 });
      const engine = new Engine(runner);
      const seen: Token[] = [];
      const sampling = { ...greedy, temperature: 1, logprobs: 20 };
      const onToken = (token: Token) => seen.push(token) < 0;
      engine.submit([1, 2, 3], runner.policy, [{ sampling, maxTokens: 9, stopIds: new Set(), index: 0, onToken }]);
      await engine.idle();
      device.close();
      assert.equal(seen.length, 9);
      for (const { top } of seen) {
        assert.deepEqual(
          top.map(({ id }) => id).sort((a, b) => a - b),
          Array.from({ length: 12 }, (_, id) => id),
        );
        const mass = top.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
        assert.ok(Math.abs(mass - 1) < 1e-5, `${mass}`);
      }
    });
});

describe("who chooses", () => {
  const common = { policy: "full", stopIds: [], maxTokens: 300, thinking: null } satisfies ScaleOptions;

  /** What comes of chains that say these texts. */
  async function played(texts: readonly string[], options: ScaleOptions) {
    const script = new Script(session);
    const scaling = scale(script.session, { ids: [65, 66, 67] }, { ...common, width: texts.length, ...options });
    const events: ScaleEvent[] = [];
    const read = (async () => {
      for await (const event of scaling) events.push(event);
    })();
    for (const [chain, text] of texts.entries()) await script.say(chain, text);
    const result = await scaling.result;
    await read;
    return { result, events, finishes: script.finishes };
  }
  const boxed = (...answers: string[]) => answers.map((answer) => `so \\boxed{${answer}}`);

  test("all chains run to their ends, and say who chose and why", async () => {
    const texts = [...boxed("7", "7", "7"), "a long chain that goes on: \\boxed{5}", "I do not know"];
    const { result, events, finishes } = await played(texts, { aggregate: "longest" });
    assert.deepEqual(finishes, ["stop", "stop", "stop", "stop", "stop"]);
    assert.equal((await played(texts.slice(0, 3), { earlyStop: false })).result.answer, "7");
    assert.deepEqual(
      [result.answer, result.chosen, result.aggregator, result.stopped, result.abstained],
      ["5", 3, "longest (not in the paper)", 0, 1],
    );
    assert.deepEqual(
      result.votes.map(({ weight, why }) => weight ?? why),
      [...texts.slice(0, 4).map((text) => text.length), "it has no answer"],
    );
    assert.deepEqual(
      events.slice(-2).map(({ type }) => type),
      ["vote", "result"],
    );
    const [last] = events.slice(-2);
    assert.ok(last.type === "vote" && last.decided && last.running === 0);
    assert.deepEqual(last.groups, result.groups);
    assert.ok(events.slice(0, -2).every((event) => event.type !== "vote" || !event.decided));
  });

  test("the majority says so, too, and stops early", async () => {
    const script = new Script(session);
    const scaling = scale(script.session, { ids: [1] }, { ...common, width: 3 });
    for (const [chain, text] of boxed("7", "7").entries()) await script.say(chain, text);
    const { answer, aggregator, chosen, votes, groups } = await scaling.result;
    assert.deepEqual([answer, aggregator, chosen], ["7", "majority", 0]);
    assert.deepEqual(
      votes.map(({ weight }) => weight),
      [1, 1, null],
    );
    assert.ok(groups.every((group) => !("weight" in group)));
  });

  test("a function that scores chains sees what was asked and said", async () => {
    const seen: VerifierChain[] = [];
    const verifier = (chain: VerifierChain) => {
      seen.push(chain);
      return chain.answer === "8" ? 0.9 : 0.3;
    };
    const texts = boxed("7", "7", "8");
    const { result, events } = await played([...texts, "?"], { aggregate: "best", verifier });
    assert.deepEqual([result.answer, result.chosen, result.verifier], ["8", 2, "function verifier"]);
    assert.deepEqual(
      result.votes.map(({ score }) => score),
      [0.3, 0.3, 0.9, undefined],
    );
    assert.equal(seen.length, 3);
    assert.deepEqual(seen[2], {
      chain: 2,
      prompt: "ABC",
      messages: [{ role: "user", content: "ABC" }],
      text: texts[2],
      reply: texts[2],
      answer: "8",
    });
    const asked = events.find(({ type }) => type === "verify");
    assert.deepEqual(asked, { type: "verify", verifier: "function verifier", chains: 3 });
    const tied = await played(boxed("7", "7", "8"), { aggregate: "weighted", verifier: () => 0 });
    assert.deepEqual([tied.result.answer, tied.result.tied.map(({ text }) => text)], ["7", ["8"]]);
  });

  test("a chat is put to a verifier as it is, and as text", () => {
    const chat = [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Why?" },
    ];
    assert.equal(messagesOf(chat, session.tokenizer), chat);
    assert.deepEqual(messagesOf("Why?", session.tokenizer), [chat[1]]);
    assert.deepEqual(messagesOf({ raw: "Why?" }, session.tokenizer), [chat[1]]);
    const chain = { chain: 1, text: "42", answer: { kind: "abstain", reason: "no-answer" } } as ChainResult;
    assert.equal(verifierChain(chain, chat, null, false).prompt, "Be brief.\n\nWhy?");
  });

  test("what follows the thinking is the reply; a chain that thinks on has none", async () => {
    const replies: (string | null)[] = [];
    const verifier = ({ reply }: VerifierChain) => replies.push(reply);
    const texts = ["<think>hm</think>\\boxed{4}", "<think>\\boxed{9}"];
    const thinking = { open: "<think>", close: "</think>" };
    await played(texts, { aggregate: "pass", verifier, thinking });
    assert.deepEqual(replies, ["\\boxed{4}", null]);
  });

  test("a verifier that fails costs the votes of the chains at hand", async () => {
    const verifier = async ({ chain }: VerifierChain) => {
      if (chain === 0) throw new Error("too long");
      return chain === 2 ? Number.NaN : 0.1;
    };
    const { result } = await played(boxed("7", "8", "9"), { aggregate: "best", verifier });
    assert.equal(result.answer, "8");
    assert.deepEqual(result.votes, [
      { chain: 0, weight: null, why: "too long", score: null },
      { chain: 1, weight: 0.1, why: null, score: 0.1 },
      { chain: 2, weight: null, why: "expected a finite number as its score, got NaN", score: null },
    ]);
    assert.ok(result.chains.every(({ answer }) => answer.kind === "answer"));
    const none = await played(boxed("7", "8"), { aggregate: "best", verifier: commandVerifier("exit 1") });
    assert.deepEqual([none.result.answer, none.result.chosen], [null, null]);
    for (const { why } of none.result.votes) assert.equal(why, "the command ended with exit code 1");
    assert.equal(none.result.groups.length, 2);
    assert.deepEqual(none.result.tied, []);
  });

  test("texts without answers: the best one is named, and pass@all needs no answer either", async () => {
    const texts = ["roses", "violets are blue", "sugar"];
    const { result } = await played(texts, { aggregate: "best", verifier: ({ text }) => text.length });
    assert.deepEqual([result.answer, result.chosen, result.groups, result.abstained], [null, 1, [], 3]);
    const passed = await played(texts, { aggregate: "pass", verifier: ({ text }) => text.startsWith("s") });
    assert.equal(passed.result.chosen, 2);
    const failed = await played(texts, { aggregate: "pass", verifier: () => false });
    assert.equal(failed.result.chosen, null);
  });

  test("merged spellings weigh as one, and keep their keys", async () => {
    const texts = boxed("\\frac{\\sqrt{2}}{2}", "3", "\\frac{1}{\\sqrt{2}}");
    const verifier = ({ answer }: VerifierChain) => (answer === "3" ? 1 : 0.6);
    const apart = await played(texts, { aggregate: "weighted", verifier });
    assert.equal(apart.result.answer, "3");
    const { result } = await played(texts, { aggregate: "weighted", verifier, merge: true });
    assert.equal(result.answer, "\\frac{\\sqrt{2}}{2}");
    assert.deepEqual([result.groups[0].weight, result.groups[0].chains], [1.2, [0, 2]]);
    assert.equal(result.groups[0].keys?.length, 2);
    assert.equal(result.merges.length, 1);
  });

  test("a call that is left or ended while a verifier works ends with it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hyperthink-choose-"));
    after(() => rmSync(folder, { recursive: true, force: true }));
    const script = new Script(session);
    const left = scale(
      script.session,
      { ids: [1] },
      {
        ...common,
        width: 2,
        aggregate: "best",
        verifier: () => new Promise<number>(() => {}),
      },
    );
    const read = (async () => {
      for await (const event of left) if (event.type === "verify") break;
    })();
    for (const [chain, text] of boxed("7", "8").entries()) await script.say(chain, text);
    await read;
    const { chosen, votes, chains } = await left.result;
    assert.equal(chosen, null);
    assert.equal(chains.length, 2);
    assert.ok(votes.every(({ why }) => why === "it has no score"));

    const controller = new AbortController();
    const pids = join(folder, "pids");
    const other = new Script(session);
    const ended = scale(
      other.session,
      { ids: [1] },
      {
        ...common,
        width: 1,
        aggregate: "best",
        verifier: commandVerifier(`echo $$ > ${pids}; sleep 1000`),
        signal: controller.signal,
      },
    );
    await other.say(0, boxed("7")[0]);
    while (!existsSync(pids) || readFileSync(pids, "utf8") === "")
      await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort();
    await assert.rejects(ended.result, (error) => error instanceof HyperthinkError && error.code === "aborted");
  });

  test("an aggregator of one's own", async () => {
    const last: Aggregator = {
      ...longest,
      name: "last",
      key: "last",
      choose: (ballots) => longest.choose(ballots.map((ballot) => ({ ...ballot, tokens: ballot.chain }))),
    };
    const { result } = await played(boxed("7", "7", "8"), { aggregate: last });
    assert.deepEqual([result.answer, result.aggregator], ["8", "last"]);
  });

  test("contradictions are refused before a chain runs", async () => {
    const verifier = () => 1;
    await refused({ aggregate: "longest", earlyStop: true }, /longest: chains run to their ends/);
    await refused({ aggregate: "best" }, /best: expected a verifier to score its chains, got none/);
    await refused({ aggregate: "pass" }, /pass: expected a verifier/);
    await refused({ aggregate: "confidence", verifier }, /confidence has no use for a verifier/);
    await refused({ verifier }, /majority has no use for a verifier: expected best, weighted or pass/);
    await refused({ aggregate: "mode" }, /unknown aggregator "mode"/);
    await refused({ aggregate: {} as Aggregator }, /expected a name or an aggregator, got object/);
    await refused({ confidence: { k: 21 } }, /k to be a whole number from 1 to 20/);
  });
});
