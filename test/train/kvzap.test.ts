// Surrogates fitted to the embedded model, saved and used as probes and as gates.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { mean } from "../../src/base/mean.ts";
import { seeded } from "../../src/base/rng.ts";
import { problem, question } from "../../src/eval/beads.ts";
import { load, type Session } from "../../src/request/session.ts";
import type { Pieces } from "../../src/train/data/pieces.ts";
import { saveSafetensors } from "../../src/train/disk/save.ts";
import { FIT, type FitData, type FitProgress } from "../../src/train/fit/fit.ts";
import { GATE_START, gatesFromSurrogate } from "../../src/train/fit/gateStart.ts";
import { fitKvzap, type KvzapOptions, saveKvzap } from "../../src/train/fit/kvzap.ts";
import { promptsOf } from "../../src/train/fit/prompts.ts";

const model = fileURLToPath(new URL("../../models/beads", import.meta.url));
const sizes = { length: 200, prompts: 30, heldOut: 5 };
const options = { ...sizes, scores: "kvzip+" } as const;
const linear: KvzapOptions = { ...options, surrogate: "linear", seed: 0 };

async function questions(session: Session, seed: number, count: number): Promise<Pieces> {
  const rng = seeded(seed);
  const texts = Array.from({ length: count }, () =>
    question(problem(rng, { steps: 2 + rng.below(3), distractors: rng.below(4) })),
  );
  const ids = await session.tokenizer.encodeAll(texts.map((text) => ({ text, special: false })));
  return {
    ...{ description: "questions", fingerprint: `${seed}`, count },
    at: (index) => ({ ids: Int32Array.from(ids[index]), learn: null }),
  };
}

/** The share of prompts' keys that a policy's labels evict at the next token, over all lanes; until then all stay. */
async function evicted(on: Session, spec: string, prompts: Iterable<Int32Array>) {
  const { runner, device } = on;
  let [gone, all] = [0, 0];
  for (const prompt of prompts) {
    const ids = [...prompt];
    const set = runner.sets.take(on.policy(spec), ids.length, ids.length + 1);
    for (let from = 0; from < ids.length; from += runner.options.chunk) {
      const count = Math.min(runner.options.chunk, ids.length - from);
      await runner.run([{ set, kind: "chunk", ids, from, count, logits: "none" }]);
    }
    const lanes = runner.table.lanes(set);
    await runner.run([{ set, kind: "steps", ids: [...ids, 0], from: ids.length, count: 1, logits: "none" }]);
    for (const positions of await device.live(runner.table.device, lanes)) gone += ids.length + 1 - positions.length;
    all += lanes.length * ids.length;
    runner.sets.close(set);
  }
  return gone / all;
}

const isError = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HyperthinkError && error.code === code, String(error));
  assert.match(error.message, message);
  return true;
};

const open = (more: object = {}) => load({ model, chains: 2, kv: "f32", kvMemory: 1 << 26, ...more });
let session: Session;
let data: FitData;
const folder = mkdtempSync(join(tmpdir(), "hyperthink-kvzap-"));
before(async () => {
  session = await open();
  data = { train: [await questions(session, 1, 200)], test: [await questions(session, 2, 40)] };
});
after(async () => {
  await session.close();
  rmSync(folder, { recursive: true });
});

describe("a probe", () => {
  for (const surrogate of ["linear", "mlp"] as const)
    test(`${surrogate}: explains held-out scores, and evicts by them where it is loaded`, async () => {
      const seen: FitProgress[] = [];
      const fit = await fitKvzap(session, data, { ...linear, surrogate, onProgress: (p) => seen.push({ ...p }) });
      const { layers, kvHeads, hidden } = session.config;
      assert.equal(fit.explained.length, layers);
      for (const r2 of fit.explained) assert.ok(r2 > 0.25 && r2 < 1, `explains ${fit.explained}`);
      assert.deepEqual(
        seen.filter(({ part }) => part === "learning").map(({ done }) => done),
        [0, 1, 2, 3, 4],
      );
      assert.deepEqual(seen.at(-1), { part: "judging", done: 5, total: 5 });

      const out = join(folder, surrogate);
      await saveKvzap(out, session.config, fit.surrogate);
      assert.deepEqual(readdirSync(out).sort(), ["config.json", "model.safetensors"]);
      const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
      const width = surrogate === "linear" ? null : 16;
      assert.deepEqual(
        [config.model_type, config.input_dim, config.output_dim, config.n_modules, config.hidden_dim],
        ["kvzap", hidden, kvHeads, layers, width],
      );
      await using probed = await open({ probe: out });
      const [threshold] = fit.quantiles([0.5]);
      const held = [...promptsOf(data.test, options.length)].slice(0, options.heldOut);
      const share = await evicted(probed, `kvzap:threshold=${threshold},window=0,prefill=dense`, held);
      assert.ok(Math.abs(share - 0.5) < 0.01, `evicts ${share} of them`);
    });

  test("several sources take turns; kvzip's scores are others", async () => {
    const train = [data.train[0], await questions(session, 3, 12)];
    const more = await fitKvzap(session, { ...data, train }, { ...linear, scores: "kvzip" });
    const plus = await fitKvzap(session, data, linear);
    assert.ok(mean(more.explained) > 0.25);
    assert.notDeepEqual(more.surrogate.layers[0].out.weight, plus.surrogate.layers[0].out.weight);
    const again = await fitKvzap(session, data, linear);
    assert.deepEqual(again.surrogate, plus.surrogate);
  });
});

describe("gates", () => {
  test("begin as the surrogate: so many keys are labelled, the same ones by the engine", async () => {
    const { layers, kvHeads, hidden } = session.config;
    const [scale, offset, cr] = [100, 5, 2.5];
    const start = await gatesFromSurrogate(session, data, { scale, offset }, { ...GATE_START, ...sizes, cr });
    assert.deepEqual(
      [start.proj.length, start.bias.length, start.proj[0].length, start.bias[0].length],
      [layers, layers, kvHeads * hidden, kvHeads],
    );
    for (const r2 of start.explained) assert.ok(r2 > 0.2, `explains ${start.explained}`);
    const out = join(folder, "gates.safetensors");
    await saveSafetensors(
      out,
      Array.from({ length: layers }, (_, l) => [
        tensor(`model.layers.${l}.self_attn.dms_proj_alpha.weight`, [kvHeads, hidden], start.proj[l]),
        tensor(`model.layers.${l}.self_attn.dms_proj_alpha.bias`, [kvHeads], start.bias[l]),
        tensor(`model.layers.${l}.self_attn.dms_proj_alpha_norm.weight`, [hidden], new Float32Array(hidden).fill(1)),
      ]).flat(),
    );
    const config = {
      ...{ dms_alpha_scale: scale, dms_initial_alpha_offset: offset, dms_window_size: 0, dms_separate_alpha: true },
      ...{ dms_alpha_per: "head", dms_label_shift: 0, dms_cr: cr },
    };
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    await using gated = await open({ adapter: out });
    const held = [...promptsOf(data.test, options.length)].slice(0, options.heldOut);
    const share = await evicted(gated, "dms:prefill=dense", held);
    assert.ok(Math.abs(share - (1 - 1 / cr)) < 0.01, `evicts ${share} of them`);
  });

  test("pieces that the context does not hold beside their replay are read in part", async () => {
    const { contextLength } = session.config;
    const rng = seeded(7);
    const ids = Int32Array.from({ length: contextLength }, () => rng.below(500));
    const piece = { ids, learn: null };
    const pieces: Pieces = { description: "long", fingerprint: "long", count: 4, at: () => piece };
    const { tokens } = await gatesFromSurrogate(
      session,
      { train: [pieces], test: [pieces] },
      { scale: 10, offset: 5 },
      { ...GATE_START, length: contextLength, prompts: 1, heldOut: 1, cr: 2 },
    );
    assert.ok(tokens.judged < contextLength / 2 && tokens.judged > contextLength / 4, `${tokens.judged} tokens`);
  });

  test("other slopes label the same keys; a lower ratio fewer", async () => {
    const gates = (cr: number, sharpness: number) =>
      gatesFromSurrogate(session, data, { scale: 10, offset: 5 }, { ...options, prompts: 6, cr, sharpness });
    const [flat, steep, less] = [await gates(3, 1), await gates(3, 4), await gates(1.5, 1)];
    assert.equal(flat.logThreshold, steep.logThreshold);
    assert.ok(less.logThreshold < flat.logThreshold);
    flat.proj.forEach((proj, l) => {
      proj.forEach((w, i) => {
        assert.ok(Math.abs(4 * w - steep.proj[l][i]) <= 1e-6 * Math.abs(4 * w));
      });
      flat.bias[l].forEach((bias, h) => {
        assert.ok(Math.abs(4 * (10 * bias - 5) - (10 * steep.bias[l][h] - 5)) < 1e-4);
      });
    });
  });
});

const tensor = (name: string, shape: number[], values: Float32Array) => ({
  ...{ name, shape, dtype: "F32" as const },
  read: (into: Float32Array, row: number) =>
    into.set(values.subarray(row * shape.at(-1)!, row * shape.at(-1)! + into.length)),
});

test("wrong options, and a stop", async () => {
  const gates = { scale: 100, offset: 5 };
  for (const cr of [0.5, Number.NaN, Infinity])
    await assert.rejects(
      gatesFromSurrogate(session, data, gates, { ...options, cr, sharpness: 3 }),
      isError("bad-argument", /cr: expected a ratio from 1, got/),
    );
  await assert.rejects(
    gatesFromSurrogate(session, data, gates, { ...options, cr: 2, sharpness: 0 }),
    isError("bad-argument", /sharpness: expected a number above 0/),
  );
  const fit = (more: Partial<KvzapOptions>, other: FitData = data) => fitKvzap(session, other, { ...linear, ...more });
  await assert.rejects(fit({ prompts: 0 }), isError("bad-argument", /prompts: expected a whole number from 1, got 0/));
  await assert.rejects(fit({ heldOut: 1.5 }), isError("bad-argument", /heldOut: expected a whole number from 1/));
  await assert.rejects(
    fit({ length: FIT.length * 3 }),
    isError("bad-argument", /expected prompts of 2 to 2048 tokens/),
  );
  await assert.rejects(fit({}, { ...data, test: [] }), isError("bad-argument", /expected a prompt to read/));
  await assert.rejects(fit({ length: 20 }), isError("bad-argument", /expected at most 20: cut it before/));
  const stopped = new AbortController();
  const onProgress = ({ done }: FitProgress) => done === 2 && stopped.abort();
  await assert.rejects(fit({ signal: stopped.signal, onProgress }), isError("aborted", /stopped while reading/));
});

describe("prompts", () => {
  const pieces = (...lengths: number[]): Pieces => ({
    ...{ description: "", fingerprint: "", count: lengths.length },
    at: (index) => ({ ids: new Int32Array(lengths[index]).fill(100 * lengths.length + index), learn: null }),
  });
  const shown = (sources: Pieces[], length = 10) =>
    [...promptsOf(sources, length)].map(
      (ids) => [...new Set(ids)].join("+") + (ids.length > 1 ? ` (${ids.length})` : ""),
    );

  test("are pieces in a row, as many as fit", () => {
    assert.deepEqual(shown([pieces(4, 5, 3, 7, 10, 2)]), ["600+601 (9)", "602+603 (10)", "604 (10)"]);
    assert.deepEqual(shown([pieces(2, 9, 3)]), ["301 (9)"], "what would be short is left out");
    assert.deepEqual(shown([pieces(2)]), ["100 (2)"], "unless there is nothing else");
    assert.deepEqual(shown([]), []);
    assert.throws(() => shown([pieces(3, 11)]), isError("bad-argument", /piece 1 has 11 tokens; expected at most 10/));
  });

  test("of several sources come in turn", () => {
    assert.deepEqual(shown([pieces(9, 9, 9), pieces(8)]), ["300 (9)", "100 (8)", "301 (9)", "302 (9)"]);
  });
});
