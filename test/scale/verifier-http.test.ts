// Reward models over HTTP: real servers on this machine, in the forms of vLLM and SGLang, and hostile ones.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo, createServer as createSocket } from "node:net";
import { after, describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { type RewardOptions, rewardModel } from "../../src/scale/verifier/http.ts";
import { asked, chainsOf } from "../support/verified.ts";

type Body = Record<string, never>;
interface Asked {
  path: string;
  headers: IncomingMessage["headers"];
  body: Body;
}

const closing: (() => void)[] = [];
after(() => {
  for (const close of closing) close();
});

/** A server that answers by `reply`: a value is sent as JSON. What it was asked, in order. */
async function serve(reply: (asked: Asked, response: ServerResponse, nth: number) => unknown) {
  const seen: Asked[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const body = JSON.parse(Buffer.concat(parts).toString("utf8")) as Body;
    const one = { path: request.url!, headers: request.headers, body };
    const value = reply(one, response, seen.push(one) - 1);
    if (value !== undefined) response.setHeader("content-type", "application/json").end(JSON.stringify(value));
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const two = chainsOf(["42", "41"]);
const { messages } = two[0];
const template = "<u>{prompt}</u><a>{text}</a>";

describe("a reward model", () => {
  test("behind vLLM's /classify: the conversation, and the last class's probability", async () => {
    const { url, seen } = await serve(({ body }) => ({
      object: "list",
      data: [
        {
          index: 0,
          label: "LABEL_0",
          probs: [0.1, (body.messages as { content: string }[])[1].content === "42" ? 0.9 : 0.2],
          num_classes: 2,
        },
      ],
    }));
    const verifier = rewardModel({ url, model: "rm", key: "secret" });
    assert.equal(verifier.name, `reward model at ${url}/classify`);
    assert.deepEqual(await asked(verifier, two), [0.9, 0.2]);
    assert.equal(seen[0].path, "/classify");
    assert.equal(seen[0].headers.authorization, "Bearer secret");
    assert.match(String(seen[0].headers["content-type"]), /application\/json/);
    const first = seen.find(({ body }) => JSON.stringify(body).includes("42"))!.body;
    assert.deepEqual(first, { model: "rm", messages: [...messages, { role: "assistant", content: "42" }] });
    assert.deepEqual(await asked(rewardModel({ url, label: 0 }), two), [0.1, 0.1]);
    assert.equal("model" in seen.at(-1)!.body, false);
    assert.equal(seen.at(-1)!.headers.authorization, undefined);
    for (const why of await asked(rewardModel({ url, label: 2 }), two))
      assert.match(String(why), /vllm-classify's reply/);
  });

  test("with a template of one's own is sent text: SGLang's /v1/classify", async () => {
    const { url, seen } = await serve(() => ({ data: [{ index: 0, label: "good", probs: [0.4, 0.6] }] }));
    assert.deepEqual(await asked(rewardModel({ url: `${url}/v1/classify`, template }), two), [0.6, 0.6]);
    assert.equal(seen[0].path, "/v1/classify");
    assert.deepEqual(seen[0].body, { input: "<u>What is 6 x 7?</u><a>42</a>" });
    // What a prompt spells is not replaced again.
    const [chain] = two;
    const odd = { ...chain, prompt: "say {text} $& $1" };
    await asked(rewardModel({ url, template }), [odd]);
    assert.deepEqual(seen.at(-1)!.body, { input: "<u>say {text} $& $1</u><a>42</a>" });
  });

  test("behind vLLM's /pooling: a reward, or the last of one a token", async () => {
    const rows = [
      [-3.5],
      [
        [0.9, 0.1],
        [0.2, 0.8],
      ],
    ];
    const { url, seen } = await serve((_, __, nth) => ({
      data: [{ index: 0, object: "pooling", data: rows[nth % 2] }],
    }));
    const verifier = rewardModel({ url: `${url}/`, form: "vllm-pooling", atOnce: 1 });
    assert.deepEqual(await asked(verifier, two), [-3.5, 0.8]);
    assert.equal(seen[0].path, "/pooling");
    assert.equal((seen[0].body.messages as unknown[]).length, 2);
  });

  test("behind vLLM's /score: a pair", async () => {
    const { url, seen } = await serve(({ body }) => ({
      data: [{ index: 0, object: "score", score: (body.text_2 as string).length / 8 }],
    }));
    assert.deepEqual(await asked(rewardModel({ url: `${url}/v1`, form: "vllm-score", model: "m" }), two), [0.25, 0.25]);
    assert.equal(seen[0].path, "/v1/score");
    assert.deepEqual(seen[0].body, { model: "m", text_1: "What is 6 x 7?", text_2: "42" });
  });

  test("behind SGLang's /classify: text, and the reward as it is", async () => {
    const { url, seen } = await serve((_, __, nth) => (nth === 0 ? { embedding: [-11.25] } : [{ embedding: [7] }]));
    assert.deepEqual(await asked(rewardModel({ url, form: "sglang-classify", template, atOnce: 1 }), two), [-11.25, 7]);
    assert.deepEqual(seen[0].body, { text: "<u>What is 6 x 7?</u><a>42</a>" });
  });

  test("any model behind SGLang's /v1/score: the first label's probability", async () => {
    const { url, seen } = await serve(() => ({ scores: [[0.75, 0.25]], object: "scoring" }));
    const options: RewardOptions = { url, form: "sglang-score", labelTokens: [9454, 2753] };
    assert.deepEqual(await asked(rewardModel(options), two), [0.75, 0.75]);
    assert.deepEqual(seen[0].body, {
      query: "What is 6 x 7?\n\n",
      items: ["42"],
      label_token_ids: [9454, 2753],
      apply_softmax: true,
    });
    await asked(rewardModel({ ...options, template: "{prompt} Answer: {text} Right?" }), two.slice(0, 1));
    const { query, items } = seen.at(-1)!.body as unknown as { query: string; items: string[] };
    assert.deepEqual([query, items], ["What is 6 x 7? Answer: ", ["42 Right?"]]);
  });

  test("reads what was said after the thinking, or all of it", async () => {
    const { url, seen } = await serve(() => ({ data: [{ score: 1 }] }));
    const chains = chainsOf(["42", null]);
    const [first, second] = await asked(rewardModel({ url, form: "vllm-score" }), chains);
    assert.equal(first, 1);
    assert.match(String(second), /thinking did not end/);
    assert.deepEqual(await asked(rewardModel({ url, form: "vllm-score", reads: "text" }), chains), [1, 1]);
    assert.match(String(seen.at(-1)!.body.text_2), /^<think>/);
  });
});

describe("a bad server costs votes, and says why", () => {
  const good = { data: [{ score: 1 }] };
  const why = async (
    reply: Parameters<typeof serve>[0],
    options: Partial<RewardOptions> = {},
    chains = two.slice(0, 1),
  ) => {
    const { url } = await serve(reply);
    return asked(rewardModel({ url, form: "vllm-score", ...options }), chains);
  };

  test("HTTP 500, for the chain at hand", async () => {
    const scores = await why(
      (_, response, nth) => {
        if (nth !== 0) return good;
        response.statusCode = 500;
        response.end("out of\u001b[31m memory\n");
      },
      { atOnce: 1 },
      two,
    );
    assert.deepEqual(scores, ["HTTP 500: out of\\u{1b}[31m memory", 1]);
  });

  test("nonsense", async () => {
    const nonsense: unknown[] = [
      {},
      null,
      [],
      "1",
      { data: [] },
      { data: [{ score: 1 }, { score: 2 }] },
      { data: [{ score: null }] },
      { data: [{ score: "1" }] },
      { data: { score: 1 } },
      { detail: "Not Found" },
    ];
    for (const reply of nonsense) {
      const [said] = await why(() => reply);
      assert.match(String(said), /expected vllm-score's reply, got/, JSON.stringify(reply));
    }
    const [text] = await why((_, response) => void response.end("<html>hello</html>"));
    assert.equal(text, "expected JSON, got <html>hello</html>");
    const [nan] = await why((_, response) => void response.end('{"data":[{"score":NaN}]}'));
    assert.match(String(nan), /expected JSON/);
    const [infinite] = await why((_, response) => void response.end('{"data":[{"score":1e999}]}'));
    assert.match(String(infinite), /expected a finite number as its score, got Infinity/);
    const [empty] = await why((_, response) => void response.end());
    assert.equal(empty, "expected JSON, got nothing");
  });

  test("no answer, a body that drips, and one without end, within the limit", async () => {
    const started = performance.now();
    const limit = 0.3;
    assert.deepEqual(await why(() => undefined, { limit }), ["no score within 0.3 s"]);
    const drips = await why(
      (_, response) => {
        const timer = setInterval(() => response.write(" "), 20);
        response.on("close", () => clearInterval(timer));
      },
      { limit },
    );
    assert.deepEqual(drips, ["no score within 0.3 s"]);
    assert.ok(performance.now() - started < 20_000);
    const endless = await why(
      (_, response) => {
        const more = () => {
          while (!response.destroyed && response.write(" ".repeat(1 << 16)));
        };
        response.on("drain", more);
        more();
      },
      { limit: 100 },
    );
    assert.deepEqual(endless, ["its reply is larger than 16 MiB"]);
  });

  test("nobody there, no HTTP, a connection that is cut, a redirection", async () => {
    const silent = createSocket((socket) => {
      socket.on("error", () => {}).end("SSH-2.0-OpenSSH_9.2\r\n", () => socket.destroy());
    });
    silent.listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const { port } = silent.address() as AddressInfo;
    const [wrong] = await asked(rewardModel({ url: `http://127.0.0.1:${port}` }), two);
    assert.match(String(wrong), /^no reply: /);
    await new Promise((resolve) => silent.close(resolve));
    const [nobody] = await asked(rewardModel({ url: `http://127.0.0.1:${port}` }), two);
    assert.match(String(nobody), /^no reply: .*ECONNREFUSED/);
    const [cut] = await why((_, response) => void response.destroy());
    assert.match(String(cut), /^no reply: /);
    const [half] = await why((_, response) => {
      response.setHeader("content-length", "100").write("{");
      setTimeout(() => response.destroy(), 30);
    });
    assert.ok(typeof half === "string" && half !== "");
    const other = await serve(() => good);
    const [sent] = await why((_, response) => void response.writeHead(307, { location: `${other.url}/score` }).end());
    assert.match(String(sent), /^no reply: .*redirect/);
    assert.equal(other.seen.length, 0, "a prompt goes where its user said, and nowhere else");
  });

  test("the call's end ends the requests", async () => {
    let closed = 0;
    const { url } = await serve((_, response) => void response.on("close", () => closed++));
    const controller = new AbortController();
    const asking = asked(rewardModel({ url }), two, controller.signal);
    setTimeout(() => controller.abort(new Error("enough")), 50);
    await assert.rejects(asking, /enough/);
    for (let i = 0; i < 100 && closed < 2; i++) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(closed, 2);
  });

  test("options that make no request are refused before any", () => {
    const url = "http://127.0.0.1:9";
    for (const [options, words] of [
      [{ url: "localhost:8000" }, /expected http:\/\/HOST:PORT/],
      [{ url: "file:///etc/passwd" }, /expected http/],
      [{ url: "http://me:pw@host" }, /no password/],
      [{ url, form: "openai" as never }, /unknown form "openai": expected one of vllm-classify/],
      [{ url, form: "toString" as never }, /unknown form/],
      [{ url, template: "{prompt}" }, /\{prompt\} and \{text\}/],
      [{ url, form: "vllm-score", template }, /leave it out/],
      [{ url, form: "sglang-classify" }, /expected a template/],
      [{ url, form: "sglang-score" }, /ids of label tokens/],
      [{ url, form: "sglang-score", labelTokens: [] }, /ids of label tokens/],
      [{ url, labelTokens: [1] }, /belong to sglang-score/],
      [{ url, label: -1 }, /whole number from 0/],
      [{ url, reads: "thinking" as never }, /reply or text/],
      [{ url, limit: 0 }, /seconds above 0/],
    ] as const)
      assert.throws(
        () => rewardModel(options as RewardOptions),
        (error) => error instanceof HyperthinkError && error.code === "bad-argument" && words.test(error.message),
      );
  });
});
