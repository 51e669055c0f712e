// The engine through its public face: limits, stops, aborts, shortages, seeds, and what a call reports.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { beadsProblems } from "../../src/eval/beads.ts";
import { openBench } from "../../src/eval/verify/bench.ts";
import { generate } from "../../src/request/generate.ts";
import type { Prompt } from "../../src/request/prompt.ts";
import { type LoadOptions, load, type Session } from "../../src/request/session.ts";
import { type ScaleEvent, scale } from "../../src/scale/scale.ts";

const models = fileURLToPath(new URL("../../models/", import.meta.url));
const [{ question }] = beadsProblems({ count: 1, seed: 3, low: 3, high: 3 });

const fails = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};
const empty = (session: Session) => {
  session.runner.table.check();
  assert.equal(session.runner.table.pool.used, 0);
};

describe("generate", () => {
  let session: Session;
  before(async () => {
    session = await load({ model: `${models}beads` });
  });
  after(() => session.close());

  test("greedy by default, and the pieces are the text", async () => {
    const generation = generate(session, question);
    let text = "";
    for await (const piece of generation) text += piece.text;
    const result = await generation.result;
    assert.equal(text, result.text);
    assert.equal(result.finish, "stop");
    assert.equal((await generate(session, question).result).text, text);
    empty(session);
  });

  test("stop strings end the text before them, wherever tokens are cut", async () => {
    const { text, tokens } = await generate(session, question).result;
    const stop = text.slice(21, 29);
    const result = await generate(session, question, { stop: ["\u0000never", stop] }).result;
    assert.equal(result.text, text.slice(0, text.indexOf(stop)));
    assert.ok(result.tokens < tokens / 2, `${result.tokens} of ${tokens} tokens: the chain went on behind its end`);
    assert.equal(result.finish, "stop");
  });

  test("stop ids, max tokens, context limit", async () => {
    const ids: number[] = [];
    for await (const piece of generate(session, question)) if (piece.token) ids.push(piece.token.id);
    assert.equal(ids.at(-1), session.config.eosIds[0]);
    const stopped = await generate(session, question, { stopIds: [ids[7]] }).result;
    assert.equal(stopped.tokens, ids.indexOf(ids[7]) + 1);
    const short = await generate(session, question, { maxTokens: 5 }).result;
    assert.deepEqual([short.tokens, short.finish], [5, "length"]);
    await using narrow = await load({ model: `${models}beads`, context: short.prompt.tokens + 9 });
    const cut = await generate(narrow, question, { maxTokens: 100 }).result;
    assert.deepEqual([cut.tokens, cut.finish], [9, "context"]);
  });

  test("log-probabilities", async () => {
    const generation = generate(session, question, { temperature: 1, seed: 4, logprobs: 5, maxTokens: 40 });
    for await (const { token } of generation) {
      if (!token) continue;
      const { logprob, top, id } = token;
      assert.equal(top.length, 5);
      assert.ok(top.every((item, i) => i === 0 || item.logprob <= top[i - 1].logprob));
      assert.ok(top.reduce((sum, item) => sum + Math.exp(item.logprob), 0) <= 1 + 1e-6);
      const listed = top.find((item) => item.id === id);
      if (listed) assert.equal(listed.logprob, logprob);
      else assert.ok(logprob! <= top[4].logprob);
    }
  });

  test("a drawn id's log-probability is that of the logits before temperature and filters", async () => {
    const prompt = await session.tokenizer.encode(
      session.chat.render([{ role: "user", content: question }], { addGenerationPrompt: true }),
      { special: false },
    );
    const options = { temperature: 3, topK: 40, seed: 8, logprobs: 0, maxTokens: 30, stopIds: [] };
    await using exact = await load({ model: `${models}beads`, kv: "f32" });
    const ids: number[] = [];
    const logprobs: number[] = [];
    for await (const { token } of generate(exact, { ids: prompt }, options))
      if (token) {
        ids.push(token.id);
        logprobs.push(token.logprob!);
      }
    assert.ok(Math.min(...logprobs) < -1, "only likely ids were drawn: this test shows nothing");
    const all = [...prompt, ...ids];
    const bench = await openBench(`${models}beads`, { rows: all.length }, { weights: "bf16", kv: "f32" });
    const rows = await bench.feed("chunk", all, 0, all.length);
    bench.close();
    ids.forEach((id, i) => {
      const row = rows[prompt.length + i - 1];
      const most = Math.max(...row);
      const sum = row.reduce((total, logit) => total + Math.exp(logit - most), 0);
      const off = Math.abs(row[id] - most - Math.log(sum) - logprobs[i]);
      assert.ok(off < 1e-3, `token ${i}: off by ${off}`);
    });
  });

  test("seeds repeat a text, and only the same seed does", async () => {
    const at = async (seed: number) => (await generate(session, question, { temperature: 1.5, seed }).result).text;
    assert.equal(await at(1), await at(1));
    assert.notEqual(await at(1), await at(2));
  });

  test("a repetition penalty avoids what was seen", async () => {
    const distinct = async (repetitionPenalty: number) => {
      const ids: number[] = [];
      for await (const { token } of generate(session, question, { repetitionPenalty, maxTokens: 30 }))
        if (token) ids.push(token.id);
      return new Set(ids).size / ids.length;
    };
    assert.ok((await distinct(50)) > 0.95);
    assert.ok((await distinct(1)) < 0.9);
  });

  test("aborts, before and while it runs", async () => {
    await assert.rejects(
      generate(session, question, { signal: AbortSignal.abort() }).result,
      fails("aborted", /aborted/),
    );
    const controller = new AbortController();
    const generation = generate(session, question, { signal: controller.signal });
    let pieces = 0;
    await assert.rejects(
      async () => {
        for await (const _ of generation) if (++pieces === 5) controller.abort();
      },
      fails("aborted", /aborted/),
    );
    assert.ok(pieces < 40);
    empty(session);
  });

  test("arguments that make no sense", async () => {
    for (const [options, message] of [
      [{ temperature: Number.NaN }, /temperature must be/],
      [{ temperature: -1 }, /temperature must be/],
      [{ topP: 0 }, /topP must be/],
      [{ minP: 2 }, /minP must be/],
      [{ topK: 1.5 }, /topK must be/],
      [{ repetitionPenalty: 0 }, /repetitionPenalty must be/],
      [{ repetitionPenalty: 1e-50 }, /repetitionPenalty must be/],
      [{ seed: -1 }, /seed must be/],
      [{ logprobs: 21 }, /logprobs must be/],
      [{ maxTokens: 0 }, /max tokens must be/],
      [{ policy: "magic" }, /unknown policy "magic": expected one of full, dms, .*tova/],
      [{ policy: "tova" }, /needs a budget/],
      [{ policy: "tova", budget: 0 }, /expected a budget of whole keys >= 1, got 0/],
      [{ policy: "dms" }, /needs gates/],
      [{ policy: "full", cr: 4 }, /keeps everything/],
      [{ cr: 0.5 }, /cr must be/],
    ] as const)
      await assert.rejects(generate(session, question, options).result, fails("bad-argument", message));
    for (const prompt of ["", " \n", [], undefined, null, 3] as Prompt[])
      for (const call of [generate(session, prompt), scale(session, prompt)])
        await assert.rejects(call.result, fails("bad-argument", /as the prompt, got/));
    await assert.rejects(
      load({} as LoadOptions),
      fails("bad-argument", /expected \{ model: FOLDER \}, got model undefined/),
    );
    await assert.rejects(generate(session, { ids: [] }).result, fails("bad-argument", /prompt is empty/));
    await assert.rejects(generate(session, { ids: [512] }).result, fails("bad-argument", /token id 512/));
    await assert.rejects(
      generate(session, { ids: new Array(5000).fill(1) }).result,
      fails("bad-argument", /fewer than the context limit of 4096/),
    );
    empty(session);
  });

  test("policies of different calls take turns on one cache", async () => {
    const texts = await Promise.all([
      generate(session, question, { policy: "full" }).result,
      generate(session, question, { policy: "tova", budget: 40 }).result,
      generate(session, question, { policy: "full" }).result,
      generate(session, question, { policy: "tova", cr: 4, maxTokens: 200 }).result,
    ]);
    assert.equal(texts[0].text, texts[2].text);
    assert.equal(texts[0].compressionRatio, 1);
    assert.ok(texts[1].peakKeys >= 40 && texts[1].compressionRatio > 1.5);
    empty(session);
  });
});

describe("a pool that is too small", () => {
  test("for one chain: one clear error, and the session lives on", async () => {
    await using session = await load({ model: `${models}beads`, kvMemory: 400_000 });
    await assert.rejects(
      generate(session, question, { maxTokens: 400, temperature: 3 }).result,
      fails("no-memory", /too small for one chain: \d+ pages of 2112 bytes/),
    );
    assert.equal((await generate(session, question, { maxTokens: 8 }).result).tokens, 8);
    empty(session);
  });

  test("for all chains: they wait or are replayed, and say the same", async () => {
    const options = { width: 6, maxTokens: 200, seed: 9, earlyStop: false, policy: "full" };
    await using wide = await load({ model: `${models}beads` });
    await using tight = await load({ model: `${models}beads`, kvMemory: 900_000 });
    const [expected, got] = await Promise.all([
      scale(wide, question, options).result,
      scale(tight, question, options).result,
    ]);
    assert.deepEqual(
      got.chains.map((chain) => chain.text),
      expected.chains.map((chain) => chain.text),
    );
    assert.deepEqual(
      got.chains.map((chain) => chain.kvReads),
      expected.chains.map((chain) => chain.kvReads),
    );
    assert.ok(got.usage.peakPages < expected.usage.peakPages);
    assert.deepEqual(got.usage.prompt, expected.usage.prompt);
    empty(tight);
  });
});

describe("scale", () => {
  let session: Session;
  before(async () => {
    session = await load({ model: `${models}beads-dms-full-4x` });
  });
  after(() => session.close());

  test("events come in order and tell the result", async () => {
    const events: ScaleEvent[] = [];
    const scaling = scale(session, question, { width: 4, seed: 2, maxTokens: 300, earlyStop: false });
    for await (const event of scaling) events.push(event);
    const result = await scaling.result;
    assert.equal(events[0].type, "start");
    assert.deepEqual(events.at(-1), { type: "result", result });
    for (const { chain, text } of result.chains)
      assert.equal(
        events
          .filter((e) => e.type === "text" && e.chain === chain)
          .map((e) => (e as { text: string }).text)
          .join(""),
        text,
      );
    const votes = events.filter((event) => event.type === "vote");
    assert.equal(votes.length, 4);
    assert.ok(votes.at(-1)!.decided);
    assert.deepEqual(votes.at(-1)!.groups, result.groups);
    assert.equal(
      result.usage.kvReads,
      result.chains.reduce((sum, chain) => sum + chain.kvReads, 0),
    );
    empty(session);
  });

  test("what the prompt takes stands apart: once read and cut, and at most while it was read", async () => {
    const usage = async (policy: string) => {
      const options = { width: 3, seed: 2, maxTokens: 40, earlyStop: false, policy };
      return (await scale(session, question, options).result).usage;
    };
    const { bytesPerPage } = session.runner.table.device;
    const pages = ({ keys }: { keys: number }) =>
      session.runner.table.width * Math.ceil((keys - 1) / 16) * bytesPerPage;
    const full = await usage("full");
    const tokens = full.promptTokens;
    assert.deepEqual(full.prompt, {
      ...{ keys: tokens, peakKeys: tokens },
      ...{ bytes: pages(full.prompt), peakBytes: pages(full.prompt) },
    });
    const cut = await usage("snapkv:budget=33");
    assert.equal(cut.prompt.keys, 33);
    assert.equal(cut.prompt.peakKeys, tokens);
    assert.ok(cut.prompt.bytes < cut.prompt.peakBytes && cut.prompt.peakBytes === full.prompt.peakBytes);
    const gates = await usage("dms"); // evicts while it reads
    assert.ok(gates.prompt.keys <= gates.prompt.peakKeys && gates.prompt.peakKeys < tokens);
    const { chains } = await scale(session, question, { width: 1, maxTokens: 40, policy: "full" }).result;
    assert.equal(chains[0].peakBytes, chains[0].peakPages * bytesPerPage);
    assert.ok(chains[0].peakKeys > tokens && chains[0].peakBytes >= full.prompt.bytes);
  });

  test("stops when the winner is certain, and only then", async () => {
    const all = await scale(session, question, { width: 9, seed: 2, maxTokens: 400, earlyStop: false }).result;
    const early = await scale(session, question, { width: 9, seed: 2, maxTokens: 400 }).result;
    assert.equal(early.answer, all.answer);
    assert.ok(early.stopped > 0 && early.savedTokens > 0, "no chain was stopped: this problem shows nothing");
    assert.equal(all.stopped, 0);
    assert.ok(early.usage.tokens < all.usage.tokens);
    assert.equal(
      early.chains.filter(({ answer }) => answer.kind === "abstain" && answer.reason === "stopped").length,
      early.stopped,
    );
    empty(session);
  });

  test("nobody answers: no winner, no empty string that won", async () => {
    const result = await scale(session, question, { width: 3, maxTokens: 6 }).result;
    assert.equal(result.answer, null);
    assert.deepEqual([result.groups.length, result.abstained], [0, 3]);
  });

  test("width 0, and an abort", async () => {
    await assert.rejects(scale(session, question, { width: 0 }).result, fails("bad-argument", /width must be/));
    const controller = new AbortController();
    const scaling = scale(session, question, { width: 4, signal: controller.signal });
    await assert.rejects(
      async () => {
        for await (const event of scaling) if (event.type === "text" && event.tokens > 5) controller.abort();
      },
      fails("aborted", /aborted/),
    );
    empty(session);
  });

  test("two calls at a time share batches and do not mix", async () => {
    const one = await scale(session, question, { width: 3, seed: 5 }).result;
    assert.equal(new Set(one.chains.map((chain) => chain.text)).size, 3); // one seed, three indices
    const both = await Promise.all([
      scale(session, question, { width: 3, seed: 5 }).result,
      scale(session, question, { width: 3, seed: 6 }).result,
    ]);
    assert.deepEqual(
      both[0].chains.map((chain) => chain.text),
      one.chains.map((chain) => chain.text),
    );
    assert.notDeepEqual(
      both[1].chains.map((chain) => chain.text),
      one.chains.map((chain) => chain.text),
    );
  });
});
