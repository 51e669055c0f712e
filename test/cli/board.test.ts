import assert from "node:assert/strict";
import { test } from "node:test";
import { usageLines } from "../../src/cli/board.ts";
import { counted } from "../../src/cli/format.ts";
import type { ScaleResult } from "../../src/scale/scale.ts";
import { Vote } from "../../src/scale/vote.ts";

function resultOf(keys: string[], stopped = 0): ScaleResult {
  const vote = new Vote();
  for (const [chain, key] of keys.entries()) vote.cast(chain, { kind: "answer", source: "boxed", text: key, key });
  return {
    answer: vote.winner()?.text ?? null,
    aggregator: "majority",
    verifier: null,
    chosen: vote.winner()?.chains[0] ?? null,
    votes: keys.map((_, chain) => ({ chain, weight: 1, why: null })),
    groups: vote.groups(),
    tied: vote.tied(),
    merges: [],
    abstained: 0,
    stopped,
    savedTokens: stopped,
    chains: keys.map(() => ({}) as ScaleResult["chains"][number]),
    prompt: { text: null, tokens: 1 },
    usage: {
      tokens: 1,
      promptTokens: 1,
      kvReads: 1,
      fullReads: 1,
      compressionRatio: 1,
      peakPages: 1,
      peakBytes: 1,
    } as never,
    policy: "full",
    sampling: {} as ScaleResult["sampling"],
  };
}

test("a winner by the order of chains is shown as a tie", () => {
  const first = (keys: string[]) => usageLines(resultOf(keys))[0];
  assert.equal(first(["7", "7", "9"]), "answer 7");
  assert.equal(first(["7", "9", "9", "7"]), "answer 7 (tied with 9: 2 chains each; the lowest chain decides)");
  assert.equal(first(["7", "8", "9"]), "answer 7 (tied with 8 and 9: 1 chain each; the lowest chain decides)");
  assert.equal(
    first(["1", "2", "3", "4", "5"]),
    "answer 1 (tied with 2, 3, 4, and 1 more: 1 chain each; the lowest chain decides)",
  );
  assert.equal(first([]), "answer none: every chain abstained");
});

test("merges are listed under the answer", () => {
  const merge = { spellings: ["\\sqrt{8}", "2\\sqrt{2}"] as [string, string], keys: ["a", "b"] as [string, string] };
  const merges: ScaleResult["merges"] = [{ ...merge, by: "symbolic", why: "the difference simplifies to 0" }];
  assert.equal(
    usageLines({ ...resultOf(["7"]), merges })[1],
    "merged \\sqrt{8} and 2\\sqrt{2}: symbolic, the difference simplifies to 0",
  );
  assert.ok(!usageLines(resultOf(["7"])).some((line) => line.startsWith("merged")));
});

test("one is no plural", () => {
  assert.equal(counted(1, "chain"), "1 chain");
  assert.equal(counted(0, "chain"), "0 chains");
  assert.equal(counted(1200, "token"), "1,200 tokens");
  const text = usageLines(resultOf(["7"], 1)).join("\n");
  assert.match(text, /^1 chain, 1 token over a prompt of 1; 1 KV read .* peak 1 page = /m);
  assert.match(text, /^1 chain stopped once the vote was decided: at most 1 token saved$/m);
});
