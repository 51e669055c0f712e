// Reports by users of other engines, tried on this one: limits, aborts, streams and
// the native addon. LOG.md has the list.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { getEventListeners } from "node:events";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { HyperthinkError } from "../../src/base/errors.ts";
import { type GenerateOptions, generate } from "../../src/request/generate.ts";
import type { Prompt } from "../../src/request/prompt.ts";
import { load, type Session } from "../../src/request/session.ts";
import { scale } from "../../src/scale/scale.ts";

const model = fileURLToPath(new URL("../../models/beads", import.meta.url));
const index = new URL("../../src/index.ts", import.meta.url).href;
const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
const refused = (error: unknown): boolean => error instanceof HyperthinkError && error.code === "bad-argument";

let session: Session;
before(async () => {
  session = await load({ model, context: 300 });
});
after(() => session.close());
const run = (prompt: Prompt, options: GenerateOptions = {}) => generate(session, prompt, options).result;
const ids = (count: number): Prompt => ({ ids: Array.from({ length: count }, (_, i) => 40 + (i % 60)) });

describe("prompts of every length", () => {
  test("vllm#7283, llama.cpp#5246: an empty one is refused, and the next one runs", async () => {
    await assert.rejects(run({ ids: [] }), refused);
    await assert.rejects(run({ raw: "" }), refused);
    assert.equal((await run(question)).finish, "stop");
  });
  test("sglang#9599, node-llama-cpp#129: one below the context limit gives one token, more is refused by name", async () => {
    const last = await run(ids(299), { maxTokens: 9 });
    assert.deepEqual([last.tokens, last.finish], [1, "context"]);
    for (const count of [300, 301, 5000]) await assert.rejects(run(ids(count)), /context limit of 300/);
    assert.equal((await run(question)).finish, "stop");
  });
  test("vllm#17999: whole pages and chunks, one token less and one more", async () => {
    for (const count of [1, 2, 15, 16, 17, 255, 256, 257]) {
      const { result } = scale(session, ids(count), { width: 3, temperature: 0, maxTokens: 3, earlyStop: false });
      const texts = (await result).chains.map((chain) => chain.text);
      assert.deepEqual(texts, Array(3).fill((await run(ids(count), { maxTokens: 3 })).text), `${count} tokens`);
    }
  });
  test("vllm#22471: ids between the tokenizer's last and the vocabulary's are taken, ids above it refused", async () => {
    const { vocabulary } = session.config;
    assert.ok(session.tokenizer.size < vocabulary);
    assert.equal((await run({ ids: [vocabulary - 1] }, { maxTokens: 2 })).tokens, 2);
    await assert.rejects(run({ ids: [vocabulary] }), /token id 512/);
  });
});

test("vllm#46283, vllm-ascend#16662: aborts give every page back", async () => {
  for (let i = 0; i < 12; i++) {
    const controller = new AbortController();
    const options = { signal: controller.signal, stopIds: [], temperature: 1, seed: i };
    const work = [run(question, options), scale(session, question, { ...options, width: 8 }).result];
    setTimeout(() => controller.abort(), i);
    for (const end of await Promise.allSettled(work)) assert.equal(end.status, "rejected");
  }
  session.runner.table.check();
  assert.equal(session.runner.table.pool.used, 0);
});

test("langchainjs#7963, continue#7272: many calls on one signal leave no listener", async () => {
  const { signal } = new AbortController();
  await Promise.all(Array.from({ length: 40 }, () => run(question, { signal, maxTokens: 2 })));
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});

test("httpx#668, playht-nodejs-sdk#8: a generation is read once; a second reader gets an error, not silence", async () => {
  const generation = generate(session, question, { maxTokens: 9 });
  const read = async () => {
    let text = "";
    for await (const piece of generation) text += piece.text;
    return text;
  };
  const first = read();
  const late = new Promise((resolve) => setTimeout(resolve, 2000, "hangs").unref());
  await assert.rejects(Promise.race([read(), late]), refused);
  assert.equal(await first, (await generation.result).text);
  await assert.rejects(read(), refused);
});

describe("the addon in a process", () => {
  const script = (rest: string) => `
    const { load, generate } = await import(${JSON.stringify(index)});
    const session = await load({ model: ${JSON.stringify(model)} });
    ${rest}`;
  const child = (rest: string) =>
    spawnSync(process.execPath, ["--input-type=module", "-e", script(rest)], { encoding: "utf8", timeout: 30_000 });

  test("llama-cpp-python#1735: a program that never closes its session ends by itself", () => {
    const { status } = child(`await generate(session, ${JSON.stringify(question)}).result;`);
    assert.equal(status, 0);
  });
  test("magika#1360, opencode-mem#114: process.exit while chains run is no crash", () => {
    const rest = `generate(session, ${JSON.stringify(question)}, { stopIds: [] });
      setTimeout(() => process.exit(7), 20);`;
    const { status, stderr } = child(rest);
    assert.deepEqual([status, stderr], [7, ""]);
  });
  test("llama-cpp-python#1367: sessions in two worker threads at once, one of them terminated at work", async () => {
    const work = script(`
      const { parentPort } = await import("node:worker_threads");
      parentPort.postMessage("loaded");
      parentPort.postMessage((await generate(session, ${JSON.stringify(question)}).result).text);`);
    const url = new URL(`data:text/javascript,${encodeURIComponent(work)}`);
    const [kept, killed] = [new Worker(url), new Worker(url)];
    killed.once("message", () => killed.terminate());
    const messages: string[] = [];
    kept.on("message", (message) => messages.push(message));
    const code = await new Promise((resolve) => kept.on("exit", resolve));
    assert.deepEqual([code, messages], [0, ["loaded", (await run(question)).text]]);
  });
});
