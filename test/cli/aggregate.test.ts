// Who chooses, on the command line: flags, help, what is shown and what --json carries.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { type ChooseFlags, chooseOf } from "../../src/cli/aggregate.ts";
import { answerLines } from "../../src/cli/chosen.ts";
import { Equality } from "../../src/scale/equality/equality.ts";
import type { ScaleResult } from "../../src/scale/scale.ts";
import type { VoteGroup } from "../../src/scale/vote.ts";
import { program } from "../support/program.ts";

const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
const base = ["scale", "--width", "3", "--seed", "3", "--max-tokens", "200"];
const json = (args: readonly string[]): ScaleResult => {
  const { code, out, err } = program([...base, "--json", ...args, question]);
  assert.equal(code, 0, err);
  return JSON.parse(out);
};

describe("scale --aggregate", () => {
  test("confidence, longest: the result says who chose, and what each vote weighed", () => {
    const sure = json(["--aggregate", "confidence:measure=tail,window=16,top=0.5"]);
    assert.equal(sure.aggregator, "confidence measure=tail top=0.5 k=20 window=16");
    assert.equal(sure.votes.length, 3);
    for (const { chain, weight, why } of sure.votes)
      if (weight === null) assert.match(why!, /not among the surest|no answer/);
      else assert.equal(weight, sure.chains[chain].confidence!.tail);
    assert.ok(sure.chains.every(({ tokens, kvReads }) => tokens > 0 && kvReads > 0));
    const long = json(["--aggregate", "longest"]);
    assert.equal(long.aggregator, "longest (not in the paper)");
    assert.equal(long.stopped, 0);
    assert.deepEqual(
      long.chains.map(({ text }) => text),
      sure.chains.map(({ text }) => text),
    );
    assert.equal(json([]).aggregator, "majority");
  });

  test("best, by a command; its failures are listed", () => {
    const command = String.raw`sed 's/^{"chain":\([0-9]*\),.*/{"chain":\1,"score":-\1}/'`;
    const chains = json(["--aggregate", "best", "--verifier", command]);
    assert.equal(chains.verifier, `command ${command}`);
    assert.equal(chains.chosen, chains.votes.find(({ weight }) => weight !== null)?.chain);
    const { code, out } = program([...base, "--aggregate", "best", "--verifier", "echo no >&2; exit 4", question]);
    assert.equal(code, 0);
    assert.match(out, /^3 chains to score: command echo no/m);
    assert.match(out, /^answer none: no chain has a vote of best$/m);
    assert.match(out, /^no vote of chains 0, 1, 2: the command ended with exit code 4: no$/m);
  });

  test("pass, by a gold answer in any spelling", () => {
    const passed = json(["--aggregate", "pass", "--gold", "\\frac{60}{2}"]);
    assert.deepEqual([passed.answer, passed.aggregator, passed.verifier], ["30", "pass least=1", "gold \\frac{60}{2}"]);
    const failed = json(["--aggregate", "pass", "--gold", "31"]);
    assert.deepEqual([failed.answer, failed.chosen], [null, null]);
  });

  test("weighted, by a reward model's server", async () => {
    const keys: unknown[] = [];
    const server = createServer((request, response) => {
      keys.push(request.headers.authorization);
      response.end(JSON.stringify({ data: [{ index: 0, probs: [0.25] }] }));
    });
    server.listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
    const flags = ["--json", "--aggregate", "weighted", "--reward-url", `http://127.0.0.1:${port}`];
    const child = spawn(process.execPath, [main, ...base, ...flags, question], {
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, HYPERTHINK_REWARD_KEY: "k3y" },
    });
    let out = "";
    for await (const part of child.stdout) out += part;
    server.close();
    const { verifier, groups, votes } = JSON.parse(out) as ScaleResult;
    assert.equal(verifier, `reward model at http://127.0.0.1:${port}/classify`);
    assert.ok(!out.includes("k3y"));
    assert.deepEqual(
      keys,
      votes.filter(({ weight }) => weight !== null).map(() => "Bearer k3y"),
    );
    assert.equal(groups[0].weight, 0.25 * groups[0].count);
  });

  test("what makes no sense is refused before a model is loaded", async () => {
    const { code, err } = program([
      "scale",
      "-m",
      "/no/such/model",
      "--aggregate",
      "longest",
      "--early-stop",
      question,
    ]);
    assert.equal(code, 2);
    assert.match(err, /longest: chains run to their ends/);
    await using equality = new Equality();
    const refused: [ChooseFlags, RegExp][] = [
      [{ aggregate: "mode" }, /unknown aggregator "mode": expected one of majority, confidence, best/],
      [{ aggregate: "best" }, /best: expected a verifier to score its chains, got none/],
      [{ verifier: "true" }, /majority has no use for a verifier/],
      [{ aggregate: "best", verifier: "true", gold: "3" }, /one of --verifier, --reward-url and --gold/],
      [{ aggregate: "best", verifier: " " }, /expected a program/],
      [{ aggregate: "best", gold: "3", verifierLimit: 3 }, /--verifier-limit needs/],
      [{ aggregate: "best", verifier: "true", verifierLimit: 0 }, /seconds above 0/],
      [{ aggregate: "best", verifier: "true", rewardForm: "vllm-score" }, /--reward-form needs --reward-url/],
      [{ aggregate: "best", rewardUrl: "host:80" }, /expected http:/],
    ];
    for (const [flags, words] of refused)
      assert.throws(
        () => chooseOf(flags, equality),
        (error) => error instanceof HyperthinkError && error.code === "bad-argument" && words.test(error.message),
      );
    assert.equal(chooseOf({ aggregate: "longest", earlyStop: false }, equality).earlyStop, false);
  });

  test("the help names aggregators, sources and forms", () => {
    const { out } = program(["scale", "--help"]);
    for (const words of [
      /arXiv 2203\.11171/,
      /confidence .*DeepConf, arXiv 2508\.15260/,
      /measure= .*average, bottom, lowest, tail/,
      /window= .*2048/,
      /best .*arXiv 2110\.14168/,
      /weighted .*arXiv 2206\.02336/,
      /pass .*arXiv 2506\.05345/,
      /longest .*not in the paper/,
      /vllm-pooling +\/pooling/,
      /sglang-score +\/v1\/score/,
    ])
      assert.match(out, words);
  });
});

describe("what is shown", () => {
  const result = (rest: Partial<ScaleResult>): ScaleResult =>
    ({ aggregator: "best", groups: [], tied: [], votes: [], chains: [], chosen: null, answer: null, ...rest }) as never;
  const group = (text: string, weight: number | null): VoteGroup => ({
    key: text,
    text,
    chains: [0],
    count: 1,
    weight,
  });

  test("weights of the groups, ties, and why chains have no vote", () => {
    const groups = ["5", "7", "9", "11", "13"].map((text, i) => group(text, i < 2 ? 0.123456 : null));
    const chains = Array.from({ length: 20 }, (_, chain) => ({
      chain,
      answer: chain === 19 ? { kind: "abstain" } : { kind: "answer" },
    })) as never;
    const votes = Array.from({ length: 20 }, (_, chain) => ({
      chain,
      weight: null,
      why: chain < 14 ? "it was\u001b slow" : chain === 19 ? "it has no answer" : `reason ${chain}`,
    }));
    const lines = answerLines(result({ answer: "5", chosen: 0, groups, tied: [groups[1]], votes, chains }));
    assert.deepEqual(lines, [
      "answer 5 (tied with 7: 0.1235 each; the lowest chain decides), as chain 0 has it; chosen by best",
      "weights 5: 0.1235   7: 0.1235   9: -   11: -   1 more",
      "no vote of chains 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more: it was␛ slow",
      "no vote of chain 14: reason 14",
      "no vote of chain 15: reason 15",
      "no vote of chain 16: reason 16",
      "no vote of chain 17: reason 17",
      "and 1 more reason (--json lists all)",
    ]);
  });

  test("a text that was chosen without an answer", () => {
    const chains = ["no", "roses\nare\u001b[2J red"].map((text, chain) => ({ chain, text, answer: {} })) as never;
    assert.deepEqual(answerLines(result({ chosen: 1, chains, votes: [] })).slice(0, 2), [
      "answer none that could be read; chain 1, chosen by best:",
      "roses\nare␛[2J red",
    ]);
  });
});
