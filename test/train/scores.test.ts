// KVzip's and KVzip+'s scores against a dense transformer in float64, and against the engine's replay.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import type { Policy } from "../../src/policy/policy.ts";
import { type ScoreOptions, ScoreReader } from "../../src/train/fit/scores.ts";
import { allDevices } from "../device/devices.ts";
import { dense, type Look } from "../support/dense.ts";
import { spec, tinyRunner } from "../support/runner.ts";
import { randomTokens, type TinyOptions, tinyModel, tinyRaw } from "../support/tiny.ts";

const REQUEST = [7, 8, 9, 3];
const further = {
  *readings(prompt: readonly number[]) {
    yield { ids: [...REQUEST, ...prompt], from: 0, to: prompt.length };
  },
  most: (prompt: number) => prompt + REQUEST.length,
};

const norm = (x: readonly number[]): number => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));

/** Log scores [layer][token][KV head] and features [layer][token], by definition. */
function expected(tiny: TinyOptions, prompt: readonly number[], { scores, features }: ScoreOptions) {
  const raw = tinyRaw(tiny);
  const { config: c } = raw;
  const looks: Look[] = [];
  const ids = [...prompt, ...REQUEST, ...prompt];
  dense(
    raw,
    ids,
    () => true,
    (_, seen) => looks.push(seen),
  );
  const first = scores === "kvzip" ? prompt.length : prompt.length + REQUEST.length;
  const group = c.queryHeads / c.kvHeads;
  /** || W_O v ||: the columns of a head's part of the output projection, by its value. */
  const written = (l: number, head: number, v: readonly number[]) =>
    norm(
      Array.from({ length: c.hidden }, (_, row) =>
        v.reduce((sum, x, d) => sum + x * raw.layers[l].o[row * c.queryHeads * c.headDim + head * c.headDim + d], 0),
      ),
    );
  const y = looks.map(({ parts, v, normed }, l) =>
    prompt.map((_, i) =>
      Array.from({ length: c.kvHeads }, (_, h) => {
        let most = 0;
        for (let head = h * group; head < (h + 1) * group; head++)
          for (let j = first; j < ids.length; j++) {
            const plus = scores === "kvzip" ? 1 : written(l, head, v[i][h]) / norm(normed[j]);
            most = Math.max(most, parts[j][head][i] * plus);
          }
        return Math.log(most);
      }),
    ),
  );
  const rms = (x: number[]) => Math.sqrt(norm(x) ** 2 / x.length + c.normEps);
  const x = looks.map(({ x, normed }) =>
    prompt.map((_, i) => (features === "attention" ? normed[i] : x[i].map((value) => value / rms(x[i])))),
  );
  return { x, y };
}

const near = (got: ArrayLike<number>, wanted: readonly number[], what: string) => {
  assert.equal(got.length, wanted.length, what);
  wanted.forEach((w, i) => {
    assert.ok(Math.abs(got[i] - w) <= 3e-4 * (1 + Math.abs(w)), `${what}, number ${i}: expected ${w}, got ${got[i]}`);
  });
};

for (const candidate of allDevices)
  describe(candidate.name, () => {
    const device = candidate.open();
    after(() => device.close());

    test("scores and features of the dense reference", async () => {
      for (const [t, tiny] of ([{ seed: 3 }, { seed: 4, borrowed: true }] as TinyOptions[]).entries())
        for (const scores of ["kvzip", "kvzip+"] as const) {
          const options = { scores, features: t === 0 ? "attention" : "residual", length: 45 } as const;
          const model = tinyModel(device, tiny);
          const reader = await ScoreReader.open(device, model, further, options);
          for (const length of [45, 1, 17]) {
            const prompt = randomTokens(length, length, model.config.vocabulary);
            const wanted = expected(tiny, prompt, options);
            let layers = 0;
            for await (const { layer, rows, x, y } of reader.read(prompt)) {
              assert.equal(layer, layers++);
              assert.equal(rows, length);
              near(x, wanted.x[layer].flat(), `${scores}, ${length} tokens, layer ${layer}: features`);
              near(y, wanted.y[layer].flat(), `${scores}, ${length} tokens, layer ${layer}: scores`);
            }
            assert.equal(layers, model.config.layers);
          }
        }
    });
  });

describe("beside the engine", () => {
  const device = allDevices.at(-1)!.open();
  after(() => device.close());

  test("the scores by which the policy kvzip cuts", async () => {
    const runner = tinyRunner(device, spec("kvzip:cr=2,sinks=4"), { seed: 5 }, { kv: "f32" });
    const prompt = randomTokens(9, 70, runner.model.config.vocabulary);
    const uncut: Policy = { ...runner.policy, cut: { ...runner.policy.cut!, atPrompt: null } };
    const set = runner.sets.take(uncut, prompt.length, prompt.length);
    for (let from = 0; from < prompt.length; from += 16) {
      const count = Math.min(16, prompt.length - from);
      await runner.run([{ set, kind: "chunk", ids: prompt, from, count, logits: "none" }]);
    }
    const ranks = await runner.ranks(runner.sets.fork(set, runner.policy), prompt);
    const { further } = runner.policy.cut!.watch;
    const options = { scores: "kvzip", features: "attention", length: 80 } as const;
    const reader = await ScoreReader.open(device, runner.model, further!, options);
    const { kvHeads } = runner.model.config;
    for await (const { layer, y } of reader.read(prompt))
      for (let h = 0; h < kvHeads; h++)
        near(
          ranks[layer * kvHeads + h],
          prompt.map((_, i) => Math.exp(y[i * kvHeads + h])),
          `layer ${layer}, head ${h}`,
        );
  });

  test("prompts that cannot be read twice are refused", async () => {
    const model = tinyModel(device, { seed: 6 });
    const options = { scores: "kvzip+", features: "attention" } as const;
    const opened = (length: number, contextLength = 4096) => {
      const small = { ...model, config: { ...model.config, contextLength } };
      return ScoreReader.open(device, small, further, { ...options, length });
    };
    const refused = (message: RegExp) => (error: unknown) =>
      error instanceof HyperthinkError && error.code === "bad-argument" && message.test(error.message);
    for (const length of [0, 1, 2.5, 2049, Number.NaN])
      await assert.rejects(opened(length), refused(/expected prompts of 2 to 2048 tokens, got/));
    await assert.rejects(opened(100, 203), refused(/length 100: .* take 204 tokens; expected at most 203/));
    const reader = await opened(100, 204);
    await assert.rejects(reader.read(randomTokens(1, 101, 90)).next(), refused(/at most 100 tokens, got 101/));
  });
});
