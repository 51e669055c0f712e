import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { cpuAvailable } from "../../src/device/cpu.ts";
import { logSumExp } from "../../src/eval/compare/distance.ts";
import { perplexityOf, scoreChoices, scoreTokens } from "../../src/eval/score.ts";
import { readGoldenTensors } from "../../src/eval/verify/tensors.ts";
import { encodePrompt } from "../../src/request/prompt.ts";
import { load, type Session } from "../../src/request/session.ts";

const at = (folder: string) => fileURLToPath(new URL(`../../${folder}`, import.meta.url));
const near = (a: readonly number[], b: readonly number[], tolerance: number) => {
  assert.equal(a.length, b.length);
  const off = Math.max(...a.map((value, i) => Math.abs(value - b[i])));
  assert.ok(off <= tolerance, `${off} apart`);
};

for (const device of ["reference", "cpu"] as const) {
  const unrun = device === "cpu" ? cpuAvailable() : null;
  describe(`scores on ${device}`, { skip: unrun ? `UNRUN: ${unrun}` : false }, () => {
    let session: Session;
    const options = { device, weights: "f32", kv: "f32", kvMemory: 64 << 20 } as const;
    before(async () => {
      session = await load({ model: at("models/beads"), ...options });
    });
    after(() => session.close());

    test("an independent program's logits, from prefill and from decoding under a trained policy", async () => {
      const folder = at("golden/beads-dms-gates-4x");
      const tensors = await readGoldenTensors(join(folder, "golden.safetensors"));
      const [prompt, drawn] = [[...tensors.int("prompt")], [...tensors.int("greedy_tokens")]];
      const [prefill, decode] = [tensors.float("prefill_logits"), tensors.float("decode_logits")];
      await using gated = await load({ model: at("models/beads"), adapter: folder, ...options });
      const V = gated.config.vocabulary;
      const row = (of: Float32Array, i: number) => of.subarray(i * V, (i + 1) * V);
      const rows = [row(prefill, prompt.length - 1), ...drawn.slice(0, -1).map((_, i) => row(decode, i))];
      const expected = rows.map((logits, i) => logits[drawn[i]] - logSumExp(logits).lse);
      const scored = await scoreTokens(gated, prompt, [drawn], { policy: "dms" });
      near(scored.logprobs[0], expected, 4e-4);
      assert.ok(scored.keys < prompt.length && scored.reads < 0.7 * scored.fullReads, JSON.stringify(scored));
      const full = await scoreTokens(gated, prompt, [drawn], { policy: "full" });
      assert.deepEqual([full.prompt, full.keys], [prompt.length, prompt.length - 1]);
      assert.equal(full.peakKeys, prompt.length + drawn.length - 1); // the last one is foretold, not read
      assert.ok(scored.peakKeys >= scored.keys && scored.peakKeys < full.peakKeys);
      assert.equal(full.reads, full.fullReads);
    });

    test("continuations do not see each other, and each equals the prompt read so far", async () => {
      const { cases } = JSON.parse(readFileSync(at("golden/beads-text/golden.json"), "utf8"));
      const { prompt_ids: prompt, greedy_ids: drawn } = cases[0] as { prompt_ids: number[]; greedy_ids: number[] };
      const right = drawn.slice(0, 12);
      const other = [...right.slice(0, 5), ...cases[1].greedy_ids.slice(0, 9)];
      const { logprobs } = await scoreTokens(session, prompt, [other, right, [right[0]]]);
      near(logprobs[1].slice(0, 5), logprobs[0].slice(0, 5), 0);
      assert.deepEqual(logprobs[2], [logprobs[1][0]]);
      // By prefill alone: each token is scored as the only one after a longer prompt.
      const one: number[] = [];
      for (let i = 0; i < right.length; i++)
        one.push((await scoreTokens(session, [...prompt, ...right.slice(0, i)], [[right[i]]])).logprobs[0][0]);
      near(logprobs[1], one, 4e-4);
      // Policies that cut in place do so in each fork alone.
      for (const policy of ["tova:budget=24", "h2o:budget=24", "streaming:budget=24"]) {
        const alone = await scoreTokens(session, prompt, [right], { policy });
        const company = await scoreTokens(session, prompt, [other, right, other], { policy });
        assert.deepEqual(company.logprobs[1], alone.logprobs[0], policy);
        assert.notDeepEqual(alone.logprobs[0], logprobs[1], policy);
      }
      // Greedy text is likelier than other text.
      assert.ok(perplexityOf(logprobs[1]) < perplexityOf(logprobs[0]));
      assert.ok(Math.abs(perplexityOf([-1, -3]) - Math.E ** 2) < 1e-12);
    });

    test("choices: the right answer of a solved problem is the likeliest; tokens over the border count", async () => {
      const { cases } = JSON.parse(readFileSync(at("golden/beads-text/golden.json"), "utf8"));
      const { prompt, text } = cases[0] as { prompt: string; text: string };
      const box = text.indexOf("\\boxed{") + "\\boxed{".length;
      const gold = /^\d+/.exec(text.slice(box))![0];
      const choices = [`${Number(gold) + 1}}`, `${gold}}`, `${gold}0}`];
      const scored = await scoreChoices(session, prompt + text.slice(0, box), choices);
      assert.equal(scored.best, 1);
      assert.ok(scored.sums[1] > Math.log(0.5), `${scored.sums}`);
      // The border within a word: what is scored is the whole text less the tokens that all begin with.
      const { ids } = await encodePrompt(session, { raw: `${prompt}A cup` });
      const split = await scoreChoices(session, `${prompt}A c`, ["up", "an"]);
      const start = split.logprobs[0].length;
      const direct = await scoreTokens(session, ids.slice(0, -start), [ids.slice(-start)]);
      near(split.logprobs[0], direct.logprobs[0], 4e-4);
    });

    test("choices of one token are foretold from what the policy kept", async () => {
      const { cases } = JSON.parse(readFileSync(at("golden/beads-text/golden.json"), "utf8"));
      const prompt: number[] = cases[0].prompt_ids;
      const choices = [[1], [2], [3], [4]];
      const full = await scoreTokens(session, prompt, choices, { policy: "full" });
      assert.deepEqual([full.reads, full.fullReads], [prompt.length, prompt.length]); // of the prompt's last token
      for (const policy of ["snapkv:budget=16,window=4", "tova:budget=16", "knorm:budget=16"]) {
        const scored = await scoreTokens(session, prompt, choices, { policy });
        assert.ok(scored.reads <= 17 && scored.fullReads === prompt.length, `${policy}: ${JSON.stringify(scored)}`);
        assert.ok(Math.abs(scored.logprobs[0][0] - full.logprobs[0][0]) > 1e-3, policy);
        for (const [i, choice] of choices.entries())
          assert.deepEqual((await scoreTokens(session, prompt, [choice], { policy })).logprobs[0], scored.logprobs[i]);
      }
    });

    test("what cannot be scored is refused, and leaves the engine free", async () => {
      const refused = { code: "bad-argument" };
      await assert.rejects(scoreTokens(session, [], [[1]]), refused);
      await assert.rejects(scoreTokens(session, [1], [[]]), refused);
      await assert.rejects(scoreTokens(session, [1], [[session.config.vocabulary]]), refused);
      await assert.rejects(scoreTokens(session, [1], [[0.5]]), refused);
      await assert.rejects(scoreTokens(session, [1], [new Array(100_000).fill(1)]), refused);
      await assert.rejects(scoreTokens(session, [1], [[1]], { policy: "snapkv" }), refused);
      await assert.rejects(scoreChoices(session, "A cup", []), refused);
      await assert.rejects(scoreTokens(session, [1], [[1]], { signal: AbortSignal.abort() }), { code: "aborted" });
      const { logprobs, keys } = await scoreTokens(session, [1, 2, 3], [[4], [5, 6]], { policy: "knorm:budget=2" });
      assert.deepEqual(
        logprobs.map(({ length }) => length),
        [1, 2],
      );
      assert.equal(keys, 2);
      session.runner.table.check();
      assert.equal(session.runner.table.pool.free, session.runner.table.pool.total);
    });
  });
}
