// A task, a model, a record, an estimate: the parts meet.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cpuAvailable } from "../../src/device/cpu.ts";
import { type ChainRow, gatherAll } from "../../src/eval/metrics/chain.ts";
import { averageScore, majorityAtK } from "../../src/eval/metrics/estimators.ts";
import { frontierGap, pointOf } from "../../src/eval/metrics/frontier.ts";
import { tally } from "../../src/eval/metrics/tally.ts";
import { makeTask } from "../../src/eval/tasks/index.ts";
import type { VoteTask } from "../../src/eval/tasks/task.ts";
import { opensThinking } from "../../src/request/opening.ts";
import { load } from "../../src/request/session.ts";
import { scale } from "../../src/scale/scale.ts";
import { reply, scoreOf } from "../support/reply.ts";

const unrun = cpuAvailable();
const model = fileURLToPath(new URL("../../models/beads", import.meta.url));

test("beads, run and measured", { skip: unrun ? `UNRUN: ${unrun}` : false }, async () => {
  await using session = await load({ model, device: "cpu" });
  const task = makeTask("beads:low=2,high=4,distractors=2") as VoteTask;
  const items = await task.items({ count: 6 });
  const width = 4;
  const thinking = { open: "<think>", close: "</think>" };
  const run = async (maxTokens?: number): Promise<ChainRow[]> => {
    const rows: ChainRow[] = [];
    for (const [i, item] of items.entries()) {
      const asked = task.ask(item, "chat");
      const options = { ...asked, ...task.sampling, maxTokens: maxTokens ?? asked.maxTokens, width, seed: i };
      const { chains, prompt } = await scale(session, asked.prompt, { ...options, policy: "full", earlyStop: false })
        .result;
      const opened = opensThinking(session, asked.prompt, { enable_thinking: true }, thinking);
      const keys = prompt.tokens;
      for (const { chain, text, finish, tokens, kvReads, fullReads, peakKeys, answer: voted } of chains) {
        const finished = finish === "stop";
        const asReply = { finished, thinking, opened };
        const answer = task.extract(item, reply(text, asReply));
        assert.equal(answer.kind === "answer" ? answer.key : null, voted.kind === "answer" ? voted.key : null);
        rows.push({
          problem: item.id,
          chain,
          key: answer.kind === "answer" ? answer.key : null,
          score: (await scoreOf(task, item, text, asReply)) ?? 0,
          end: finished ? "finished" : "truncated",
          tokens,
          reads: kvReads,
          fullReads,
          peakKeys,
          peakBytes: 0,
          seconds: 0,
          prompt: { tokens: keys, keys, bytes: 0, peakKeys: keys, peakBytes: 0 },
        });
      }
    }
    return rows;
  };
  const expected = { problems: items.map(({ id }) => id), width };
  const whole = gatherAll(await run(), expected);
  const cut = gatherAll(await run(60), expected);
  assert.ok(averageScore(whole).mean > 0.6, `${averageScore(whole).mean}`); // easy ones
  assert.ok(majorityAtK(whole, 4).mean >= averageScore(whole).mean - 0.1);
  assert.equal(tally(whole).cr, 1);
  assert.equal(tally(cut).tokens.most, 60);
  assert.ok(tally(cut).truncated > 0 && averageScore(cut).mean < averageScore(whole).mean);
  const points = (of: typeof whole, length: number) =>
    [1, 2, 4].map((w) => pointOf(of, { length, width: w, cr: 1, policy: "full" }, "reads"));
  const gap = frontierGap(points(cut, 60), points(whole, 440), { resamples: 200 });
  assert.ok(gap !== null && gap.mean > 0, JSON.stringify({ gap, cut: tally(cut), whole: tally(whole) }));
});
