// Reports by users of other engines, tried on this one: how tokens are drawn and
// where a reply ends. LOG.md has the list.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import type { Token } from "../../src/engine/chain.ts";
import { type GenerateOptions, generate } from "../../src/request/generate.ts";
import { type LoadOptions, load, type Session } from "../../src/request/session.ts";
import { scale } from "../../src/scale/scale.ts";

const model = fileURLToPath(new URL("../../models/beads", import.meta.url));
const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
const exact: Omit<LoadOptions, "model"> = { weights: "f32", kv: "f32" };
const refused = (error: unknown): boolean => error instanceof HyperthinkError && error.code === "bad-argument";

let session: Session;
before(async () => {
  session = await load({ model, ...exact });
});
after(() => session.close());
const text = async (options: GenerateOptions) => (await generate(session, question, options).result).text;

async function drawn(options: GenerateOptions): Promise<Token[]> {
  const tokens: Token[] = [];
  for await (const { token } of generate(session, question, options)) if (token) tokens.push(token);
  return tokens;
}

describe("the filters at their ends", () => {
  const greedy = () => text({ maxTokens: 20 });
  const cases: [report: string, options: GenerateOptions][] = [
    ["vllm#1623, nanoGPT#756: temperature 1e-4", { temperature: 1e-4 }],
    ["vllm#2937, aici#19: the smallest temperatures", { temperature: 1e-38 }],
    ["a temperature that float32 rounds to 0", { temperature: 1e-300 }],
    ["mlx-lm#1912: a top-p that leaves one token", { temperature: 0.8, topP: 1e-8 }],
    ["a top-p that float32 rounds to 0", { temperature: 1, topP: 1e-46 }],
    ["llama.cpp#3841: min-p 1", { temperature: 5, minP: 1 }],
    ["llama-cpp-python#220: top-k 1 at any temperature", { temperature: 50, topK: 1 }],
  ];
  for (const [report, options] of cases)
    test(`${report}: the likeliest tokens`, async () =>
      assert.equal(await text({ ...options, maxTokens: 20 }), await greedy()));
  test("llama-cpp-python#220, litgpt#2309, onnxruntime-genai#2486: top-k 0 and more than there are: all", async () => {
    const all = await text({ temperature: 2, seed: 5, maxTokens: 20 });
    assert.equal(await text({ temperature: 2, seed: 5, maxTokens: 20, topK: 0 }), all);
    assert.equal(await text({ temperature: 2, seed: 5, maxTokens: 20, topK: 1e9 }), all);
    assert.notEqual(await greedy(), all);
  });
  const wrong: [report: string, options: GenerateOptions][] = [
    ["TensorRT-LLM#17158: NaN", { topP: Number.NaN }],
    ["TensorRT-LLM#17158: NaN", { minP: Number.NaN }],
    ["TensorRT-LLM#17158: NaN", { temperature: Number.NaN }],
    ["transformers#23688, simply#42: top-p 0", { topP: 0 }],
    ["gemma#789: top-k -1", { topK: -1 }],
    ["a penalty that float32 rounds to 0", { repetitionPenalty: 1e-46 }],
  ];
  for (const [report, options] of wrong)
    test(`${report}: refused (${Object.keys(options)})`, () => assert.rejects(text(options), refused));
});

test("ollama#16196: log-probabilities are the model's own, whatever is sampled", async () => {
  const [plain] = await drawn({ maxTokens: 1, logprobs: 5 });
  const [shaped] = await drawn({ maxTokens: 1, logprobs: 5, temperature: 0.2, topK: 2, repetitionPenalty: 2 });
  assert.deepEqual(shaped.top, plain.top);
});

describe("seeds", () => {
  const options = { width: 4, seed: 7, temperature: 2, earlyStop: false, maxTokens: 40 };
  const texts = async (more: object = {}) =>
    (await scale(session, question, { ...options, ...more }).result).chains.map((chain) => chain.text);
  test("tt-metal#53077: chains of one seed differ", async () => assert.equal(new Set(await texts()).size, 4));
  test("together-py#214, web-llm#335: and are the same again, whatever the width", async () => {
    assert.deepEqual(await texts(), await texts());
    assert.deepEqual(await texts({ width: 2 }), (await texts()).slice(0, 2));
    assert.notDeepEqual(await texts({ seed: 8 }), await texts());
  });
  test("vllm#51226, #2514: a seeded reply does not hang on what runs beside it", async () => {
    const mine = { seed: 42, temperature: 0.8, maxTokens: 40 };
    const alone = await text(mine);
    const others = Array.from({ length: 5 }, (_, i) => text({ seed: i, temperature: 1, maxTokens: 30 }));
    const [together] = await Promise.all([text(mine), ...others, texts()]);
    assert.equal(together, alone);
  });
  test("vllm#16832, #19940: nor on preemptions", async () => {
    await using narrow = await load({ model, ...exact, kvMemory: 600 * 1024 });
    const many = { width: 6, seed: 11, earlyStop: false, maxTokens: 120, temperature: 1, repetitionPenalty: 1.05 };
    const run = async (s: Session) => (await scale(s, question, many).result).chains;
    const [chains, wanted] = [await run(narrow), await run(session)];
    assert.deepEqual(
      chains.map((chain) => chain.text),
      wanted.map((chain) => chain.text),
    );
  });
});

describe("where a reply ends", () => {
  test("sglang#17487: an end token drawn as the last one allowed ends it, and is not shown", async () => {
    const whole = await generate(session, question).result;
    assert.equal(whole.finish, "stop");
    const last = await generate(session, question, { maxTokens: whole.tokens }).result;
    assert.deepEqual([last.finish, last.text], ["stop", whole.text]);
    const short = await generate(session, question, { maxTokens: whole.tokens - 1 }).result;
    assert.equal(short.finish, "length");
    await using narrow = await load({ model, ...exact, context: whole.prompt.tokens + whole.tokens });
    const fitting = await generate(narrow, question).result;
    assert.deepEqual([fitting.finish, fitting.text], ["stop", whole.text]);
  });
  test("vllm#3574, mlx-knife#68, SwiftLM#126: nothing of a stop text is shown, wherever tokens are cut", async () => {
    const whole = await text({});
    for (const stop of ["jugs and", "7 beads.\nj", ".\nA jug"]) {
      let shown = "";
      for await (const piece of generate(session, question, { stop: [stop] })) {
        shown += piece.text;
        assert.ok(whole.slice(0, whole.indexOf(stop)).startsWith(shown), shown);
      }
      assert.equal(shown, whole.slice(0, whole.indexOf(stop)));
    }
  });
  test("llama.cpp#9867, koboldcpp#1031: what was held back for a stop text that did not come is shown", async () => {
    const whole = await text({});
    const stop = [`${whole.slice(-4)}never`, whole.slice(-1) + whole];
    assert.equal(await text({ stop }), whole);
  });
});
