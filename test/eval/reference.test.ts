// A comparison against another model's full cache: itself changes nothing, a LoRA is told from its base.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { cpuAvailable } from "../../src/device/cpu.ts";
import { openBench } from "../../src/eval/verify/bench.ts";
import { Comparison, load, type Session, summarise } from "../../src/index.ts";

const golden = fileURLToPath(new URL("../../golden/", import.meta.url));
const ids = Array.from({ length: 72 }, (_, i) => (i * 37 + 11) % 300);
const prefix = 40;
const specs = ["full", "snapkv:budget=36", "h2o:budget=24", "streaming:budget=20"];
const candidatesOf = (session: Session) =>
  specs.map((spec) => ({ label: spec, policy: session.policy(spec), cr: null }));
const refuses = (work: () => unknown, message: RegExp) =>
  assert.rejects(
    async () => work(),
    (error: unknown) => {
      assert.ok(error instanceof HyperthinkError && error.code === "bad-argument", String(error));
      assert.match(error.message, message);
      return true;
    },
  );

for (const device of ["reference", "cpu"] as const) {
  const reason = device === "cpu" ? cpuAvailable() : null;
  describe(`measured against another model, ${device}`, { skip: reason ? `UNRUN: ${reason}` : false }, () => {
    const open = (model: string, adapter?: string) =>
      load({
        model: golden + model,
        adapter: adapter && golden + adapter,
        device,
        weights: "f32",
        kv: "f32",
        kvMemory: 8 << 20,
      });
    const summaries = async (session: Session, reference?: Session) => {
      const candidates = candidatesOf(session);
      const runs = [await new Comparison(session, candidates, { prefix, reference }).run(0, ids)];
      return summarise(runs, candidates, session.config.kvHeads);
    };

    test("itself gives what there is without", async () => {
      await using session = await open("qwen3");
      await using twin = await open("qwen3");
      const alone = await summaries(session);
      assert.ok(alone[1].kl.mean > 1e-3, "the policies must differ from full");
      for (const reference of [twin, session]) {
        const got = await summaries(session, reference);
        for (const [i, { label, kl, klP95, agreement, perplexity, loss, cr }] of got.entries()) {
          const expected = alone[i];
          assert.ok(Math.abs(kl.mean - expected.kl.mean) < 1e-5, `${label}: ${kl.mean}, not ${expected.kl.mean}`);
          assert.ok(Math.abs(klP95 - expected.klP95) < 1e-5);
          assert.ok(Math.abs(loss.mean - expected.loss.mean) < 1e-5);
          assert.deepEqual([agreement, perplexity, cr], [expected.agreement, expected.perplexity, expected.cr]);
        }
      }
    });

    test("a LoRA's full cache is not its base's: KL(base || merged)", async () => {
      await using base = await open("qwen3");
      await using merged = await open("qwen3", "qwen3-lora");
      const [full, ...others] = await summaries(merged, base);
      assert.ok(full.kl.mean > 1e-3 && full.agreement < 1, `${full.kl.mean}`);
      // The same from the two models' logits, without a comparison.
      const [p, q] = [await logProbabilities(device), await logProbabilities(device, `${golden}qwen3-lora`)];
      const expected = p.map((row, i) => divergence(row, q[i])).reduce((a, b) => a + b) / p.length;
      assert.ok(Math.abs(full.kl.mean - expected) < 1e-5, `${full.kl.mean}, not ${expected}`);
      const nll = (rows: Float64Array[]) => rows.slice(0, -1).map((row, i) => -row[ids[prefix + i + 1]]);
      const mean = (xs: number[]) => xs.reduce((a, b) => a + b) / xs.length;
      assert.ok(Math.abs(full.loss.mean - (mean(nll(q)) - mean(nll(p)))) < 1e-5);
      for (const other of others) assert.ok(other.kl.mean > 0);
      // The other way round is another number.
      const [back] = await summaries(base, merged);
      assert.ok(back.kl.mean > 1e-3 && Math.abs(back.kl.mean - full.kl.mean) > 1e-6);
    });
  });
}

/** Log-probabilities after each token from the prompt's end on, of the text read in one chunk. */
async function logProbabilities(device: "reference" | "cpu", adapter?: string): Promise<Float64Array[]> {
  const bench = await openBench(`${golden}qwen3`, { rows: ids.length, adapter }, { device });
  const rows = await bench.feed("chunk", ids, 0, ids.length);
  bench.close();
  return rows.slice(prefix).map((row) => {
    const sum = row.reduce((total, x) => total + Math.exp(x), 0);
    return Float64Array.from(row, (x) => x - Math.log(sum));
  });
}

function divergence(p: Float64Array, q: Float64Array): number {
  return p.reduce((sum, log, i) => sum + Math.exp(log) * (log - q[i]), 0);
}

describe("what is no reference", () => {
  const open = (model: string, context?: number) =>
    load({ model: golden + model, device: "reference", kvMemory: 4 << 20, context });
  test("another vocabulary", async () => {
    await using session = await open("qwen3");
    await using other = await open("llama-odd");
    await refuses(
      () => new Comparison(session, candidatesOf(session), { prefix, reference: other }),
      /the reference has a vocabulary of 331 tokens, this model one of 320: expected a model with the same tokenizer/,
    );
  });
  test("one that is too short, closed, or stopped", async () => {
    await using session = await open("qwen3");
    await using short = await open("qwen3", 64);
    const closed = await open("qwen3");
    await closed.close();
    const of = (reference: Session, signal?: AbortSignal) =>
      new Comparison(session, candidatesOf(session), { prefix, reference, signal }).run(0, ids);
    await refuses(() => of(short), /a text has 72 tokens, the context 64/);
    await refuses(() => of(closed), /session is closed/);
    await using whole = await open("qwen3");
    await assert.rejects(of(whole, AbortSignal.abort()), { code: "aborted" });
    // All lanes came back: it goes on.
    assert.equal((await of(whole)).scores.length, specs.length);
    assert.ok((await of(whole)).referenceNll! > 0);
  });
});
