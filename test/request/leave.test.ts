// Calls that end before their chains do: a reader who leaves, a signal, a session that closes; and readers who come
// late or never.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Comparison } from "../../src/eval/compare/compare.ts";
import { Channel } from "../../src/request/channel.ts";
import { generate } from "../../src/request/generate.ts";
import { load, type Session } from "../../src/request/session.ts";
import { scale } from "../../src/scale/scale.ts";

const models = fileURLToPath(new URL("../../models/", import.meta.url));
const prompt = { ids: [1, 2, 3] };
/** Would draw until the context ends. */
const endless = { temperature: 1, stopIds: [], maxTokens: 3000, policy: "full" };
const WIDTH = 4;
/** Tokens that the step at work, and the one that it overlaps, may still draw. */
const STEPS = 2;

let session: Session;
before(async () => {
  session = await load({ model: `${models}beads` });
});
after(() => session.close());

type Items = AsyncIterable<object>;

/** Ways to leave a loop after three items. */
const ways: Record<string, (items: Items) => Promise<unknown>> = {
  break: async (items) => {
    let n = 0;
    for await (const _ of items) if (++n === 3) break;
  },
  return: async (items) => {
    let n = 0;
    for await (const _ of items) if (++n === 3) return;
  },
  "an error in the body": async (items) => {
    let n = 0;
    const loop = async () => {
      for await (const _ of items) if (++n === 3) throw new Error("mine");
    };
    await assert.rejects(loop, /mine/);
  },
  "destroy() of a stream": async (items) => {
    const stream = Readable.from(items, { highWaterMark: 1 });
    let n = 0;
    for await (const _ of stream) if (++n === 3) break; // destroys it
    assert.ok(stream.destroyed);
  },
  "destroy(error) of a stream": async (items) => {
    const stream = Readable.from(items, { highWaterMark: 1 });
    const error = new Promise((resolve) => stream.once("error", resolve));
    stream.once("data", () => stream.destroy(new Error("mine")));
    assert.match(String(await error), /mine/);
  },
  "cancel() of a web stream": async (items) => {
    const reader = ReadableStream.from(items).getReader();
    for (let n = 0; n < 3; n++) await reader.read();
    await reader.cancel();
  },
  "return() before the first next()": async (items) => {
    const reader = items[Symbol.asyncIterator]();
    assert.deepEqual(await reader.return?.(), { value: undefined, done: true });
    assert.deepEqual(await reader.next(), { value: undefined, done: true });
  },
  "return() while next() waits": async (items) => {
    const reader = items[Symbol.asyncIterator]();
    const pending = [reader.next(), reader.next()];
    await reader.return?.();
    assert.deepEqual((await Promise.all(pending)).at(-1), { value: undefined, done: true });
  },
};

/** The result of a call that was left; null where it was left before its chains began. */
const resultOf = <R>(name: string, { result }: { result: Promise<R> }): Promise<R | null> =>
  result.catch((error) => {
    assert.ok(name.startsWith("return()"), String(error));
    assert.equal(error.code, "aborted");
    return null;
  });

describe("a loop that is left ends its chains at the next step", () => {
  for (const [name, leave] of Object.entries(ways)) {
    test(`generate: ${name}`, async () => {
      const generation = generate(session, prompt, endless);
      await leave(generation);
      const result = await resultOf(name, generation);
      assert.ok(!result || result.tokens <= 3 + STEPS, `${result?.tokens} tokens`);
      assert.equal(result?.finish ?? "aborted", "aborted");
      assert.equal(session.runner.table.pool.used, 0);
    });
    test(`scale: ${name}`, async () => {
      const scaling = scale(session, prompt, { ...endless, width: WIDTH });
      await leave(scaling);
      const result = await resultOf(name, scaling);
      assert.ok(!result || result.usage.tokens <= WIDTH * (1 + STEPS), `${result?.usage.tokens} tokens`);
      assert.equal(result?.stopped ?? WIDTH, WIDTH);
      assert.equal(session.runner.table.pool.used, 0);
    });
  }
  test("what was shown is the result's text", async () => {
    const generation = generate(session, prompt, { ...endless, seed: 2 });
    let text = "";
    for await (const piece of generation) {
      text += piece.text;
      if (text.length > 20) break;
    }
    assert.ok((await generation.result).text.startsWith(text));
  });
  test("leaving after the end changes nothing", async () => {
    const generation = generate(session, prompt, { ...endless, maxTokens: 4 });
    const reader = generation[Symbol.asyncIterator]();
    await generation.result;
    await reader.return?.();
    assert.equal((await generation.result).finish, "length");
  });
});

describe("calls that wait for another policy's work", () => {
  test("are left, or aborted, without waiting for it", async () => {
    const long = generate(session, prompt, endless);
    const controller = new AbortController();
    const other = { ...endless, policy: "tova:budget=40" };
    const left = generate(session, prompt, other);
    const aborted = scale(session, prompt, { ...other, signal: controller.signal });
    await left[Symbol.asyncIterator]().return?.();
    controller.abort();
    let isOver = false;
    const over = long.result.then(() => {
      isOver = true;
    });
    await assert.rejects(left.result, { code: "aborted" });
    await assert.rejects(aborted.result, { code: "aborted" });
    assert.ok(!isOver, "they waited");
    await long[Symbol.asyncIterator]().return?.();
    await over;
    assert.equal((await generate(session, prompt, { ...other, maxTokens: 3 }).result).tokens, 3);
  });
});

describe("close", () => {
  test("ends what runs and what waits at the next step, and nobody needs to look", async () => {
    const own = await load({ model: `${models}beads` });
    const generation = generate(own, prompt, endless);
    const scaling = scale(own, prompt, { ...endless, width: WIDTH });
    const waiting = generate(own, prompt, { ...endless, policy: "tova:budget=40" });
    generate(own, prompt, endless);
    let pieces = 0;
    let closed: Promise<unknown> | undefined;
    await assert.rejects(
      async () => {
        for await (const _ of generation) if (++pieces === 3) closed = Promise.all([own.close(), own.close()]);
      },
      { code: "aborted", message: /session was closed/ },
    );
    await closed;
    assert.ok(pieces <= 3 + STEPS, `${pieces} pieces`);
    await assert.rejects(scaling.result, { code: "aborted" });
    await assert.rejects(waiting.result, { code: "aborted" });
    await assert.rejects(generate(own, prompt).result, { code: "bad-argument", message: /session is closed/ });
  });
  test("ends a call whose prompt is not tokens yet", async () => {
    const own = await load({ model: `${models}beads` });
    const generation = generate(own, "A jug holds 7 beads. How many beads does a jug hold?");
    await Promise.all([
      own.close(),
      assert.rejects(generation.result, { code: "aborted", message: /session was closed/ }),
    ]);
  });
  test("a signal's own reason is the error's cause", async () => {
    const reason = new Error("enough");
    const { result } = generate(session, prompt, { ...endless, signal: AbortSignal.abort(reason) });
    await assert.rejects(result, { code: "aborted", cause: reason });
  });
  test("ends a comparison between its passes", async () => {
    const ids = Array.from({ length: 4000 }, (_, i) => i % 400);
    for (const after of [0, 1, 3, 6, 10, 15, 20, 30]) {
      const own = await load({ model: `${models}beads` });
      const candidates = ["full", "kvzip:cr=4", "streaming:recent=100"].map((label) => ({
        label,
        policy: own.policy(label),
        cr: null,
      }));
      const run = new Comparison(own, candidates, { prefix: 300 }).run(0, ids);
      await new Promise((resolve) => setTimeout(resolve, after)); // ms, of a second
      await Promise.all([own.close(), assert.rejects(run, { code: "aborted" })]);
    }
  });
});

describe("signals", () => {
  test("one that has fired already draws nothing", async () => {
    for (const call of [generate, scale]) {
      const output = call(session, prompt, { ...endless, signal: AbortSignal.abort() });
      await assert.rejects(output.result, { code: "aborted" });
      await assert.rejects(
        async () => {
          for await (const _ of output as Items) assert.fail("an item");
        },
        { code: "aborted" },
      );
    }
  });
  test("one that a thousand calls share keeps none of them", async () => {
    const { signal } = new AbortController();
    const options = { ...endless, maxTokens: 1, signal };
    for (let i = 0; i < 1000; i++) await generate(session, prompt, options).result;
    for (let i = 0; i < 20; i++) await scale(session, prompt, options).result;
    await assert.rejects(generate(session, prompt, { ...options, topP: 7 }).result);
    for await (const _ of generate(session, prompt, { ...options, maxTokens: 99 })) break;
    await generate(session, prompt, { ...options, maxTokens: 1 }).result;
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });
});

describe("readers", () => {
  test("one who comes late gets the text so far in one piece", async () => {
    const generation = generate(session, prompt, { ...endless, maxTokens: 50 });
    const { text, tokens } = await generation.result;
    assert.equal(tokens, 50);
    const pieces = [];
    for await (const piece of generation) pieces.push(piece);
    assert.deepEqual(pieces, [{ text, token: null }]);
  });
  test("one who comes late to a vote gets each chain's text in one event", async () => {
    const scaling = scale(session, prompt, { ...endless, maxTokens: 50, width: WIDTH, earlyStop: false });
    const { chains } = await scaling.result;
    const texts = [];
    for await (const event of scaling) if (event.type === "text") texts.push([event.chain, event.text, event.tokens]);
    assert.deepEqual(
      texts.sort(),
      chains.map(({ chain, text }) => [chain, text, 50]),
    );
  });
  test("a second one is refused by name", async () => {
    const generation = generate(session, prompt, { ...endless, maxTokens: 5 });
    for await (const _ of generation);
    await assert.rejects(
      async () => {
        for await (const _ of generation);
      },
      { code: "bad-argument", message: /has a reader already/ },
    );
  });
  test("several next() at a time get the items in order", async () => {
    const reader = generate(session, prompt, { ...endless, maxTokens: 3 })[Symbol.asyncIterator]();
    const items = await Promise.all([reader.next(), reader.next(), reader.next(), reader.next(), reader.next()]);
    assert.deepEqual(
      items.map(({ done }) => done),
      [false, false, false, true, true],
    );
  });
  test("an error comes after what was queued, and once", async () => {
    const channel = new Channel<{ n: number }>(() => {});
    const reader = channel[Symbol.asyncIterator]();
    channel.push({ n: 1 });
    channel.end(new Error("mine"));
    assert.deepEqual(await reader.next(), { value: { n: 1 }, done: false });
    await assert.rejects(reader.next(), /mine/);
    assert.deepEqual(await reader.next(), { value: undefined, done: true });
  });
  test("a long queue is read in linear time", async () => {
    const channel = new Channel<{ n: number }>(() => {});
    const reader = channel[Symbol.asyncIterator]();
    for (let n = 0; n < 400_000; n++) channel.push({ n });
    channel.end();
    const began = performance.now();
    let next = 0;
    for await (const { n } of reader) assert.equal(n, next++);
    assert.equal(next, 400_000);
    assert.ok(performance.now() - began < 10_000, "quadratic work would take minutes");
  });
});
