// Budgets that are shared out, replays, positions in the cache: what has a reference of its own form.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makePolicy } from "../../src/policy/index.ts";
import { devices } from "../device/devices.ts";
import { ada } from "./dense/ada.ts";
import { kvzipScores } from "./dense/kvzip.ts";
import { pyramidBudgets } from "./dense/pyramid.ts";
import { norm, range, rotate, softmax, type Trace, topk } from "./dense/trace.ts";
import { ASKED, PolicyRig, policyOf, run, traceOf } from "./rig.ts";

const model = { dms: null };

test("pyramid: the authors' budgets over lengths, ratios, windows and depths", () => {
  let fell = 0;
  for (const prompt of [20, 64, 100, 333, 2000])
    for (const cr of [1.5, 2, 4, 8])
      for (const [window, beta] of [
        [4, 20],
        [16, 20],
        [32, 5],
      ])
        for (const layers of [2, 3, 28]) {
          const policy = makePolicy("pyramidkv", model, { cr, window, pyramid: beta });
          const got = range(0, layers).map((layer) =>
            policy.cut!.budget({ layer, head: 0, layers, kvHeads: 2, prompt, tokens: prompt + 100 }),
          );
          const expected = pyramidBudgets(prompt, layers, cr, window, beta);
          // Where it falls back to equal budgets ours are rounded down, to reach the ratio, and theirs to nearest.
          const equal = new Set(expected).size === 1;
          for (const [l, budget] of got.entries())
            assert.ok(
              equal ? Math.abs(budget - expected[l]) <= 1 : budget === expected[l],
              `${prompt} ${cr} ${window} ${beta} ${layers}: ${got} ${expected}`,
            );
          if (!equal) fell++;
        }
  assert.ok(fell > 20, `only ${fell} pyramids were no boxes`);
});

for (const candidate of devices)
  describe(candidate.name, () => {
    test("ada: heads of a layer share their budgets, each keeps its floor", async () => {
      let ragged = 0;
      for (let seed = 1; seed <= 4; seed++) {
        const [prompt, budget, floor] = [60, 20, 0.95]; // high, as these norms are much alike
        const device = candidate.open();
        const life = await run(device, {
          seed,
          prompt,
          length: prompt + 3,
          chunk: 25,
          policy: policyOf("knorm", { budget, ada: floor }),
        });
        device.close();
        const scores = range(0, 2).map((h) => range(0, prompt).map((t) => -norm(life.trace.k[t][h])));
        assert.deepEqual(life.kept[0], ada(scores, budget, Math.floor(budget * floor)));
        if (life.kept[0][0].length !== life.kept[0][1].length) ragged++;
      }
      assert.ok(ragged > 0, "no layer was ragged");
    });

    test("kvzip: a replay ranks the prompt, in one chunk and in several; nothing of it stays", async () => {
      for (const [seed, chunk] of [
        [1, 2048],
        [2, 23],
      ]) {
        const [prompt, budget, sinks, tail] = [50, 17, 4, 8];
        const device = candidate.open();
        const rig = new PolicyRig(device, {
          seed,
          prompt,
          length: prompt + 4,
          chunk: 16,
          policy: (trained) => {
            const policy = makePolicy("kvzip", trained, { budget });
            const { watch } = policy.cut!;
            return { ...policy, cut: { ...policy.cut!, watch: { ...watch, replay: { ...watch.replay!, chunk } } } };
          },
        });
        const chain = rig.start();
        while (chain.life.trace.q.length < prompt) await rig.feed([chain]);
        const scores: number[][] = [[], []];
        for (let from = 0; from < prompt; from += chunk) {
          const to = Math.min(prompt, from + chunk);
          const asked = from === 0 ? ASKED : [...ASKED, ...chain.ids.slice(from - tail, from)];
          const ids = [...chain.ids.slice(0, prompt), ...asked, ...chain.ids.slice(from, to)];
          const own = candidate.open();
          const trace = await traceOf(own, seed, ids);
          own.close();
          kvzipScores(trace, prompt, sinks, from, to).forEach((row, h) => {
            scores[h].push(...row);
          });
        }
        for (const row of scores) row.fill(Number.POSITIVE_INFINITY, 0, sinks);
        // The best of all lanes: one list, lower lanes first.
        const best = topk(scores.flat(), 2 * budget);
        const expected = range(0, 2).map((h) =>
          best.filter((i) => Math.floor(i / prompt) === h).map((i) => i % prompt),
        );
        assert.deepEqual(chain.life.kept[0], expected, `chunks of ${chunk}`);
        assert.equal(
          rig.runner.table.pool.used,
          expected.reduce((n, keys) => n + Math.ceil((keys.length - 1) / 16), 0),
        );
        await rig.feed([chain]);
        device.close();
      }
    });

    test("streaming, positions in the cache: keys keep their rotation, sinks see the query at the end of the cache", async () => {
      const [prompt, sinks, recent] = [40, 3, 9];
      const device = candidate.open();
      const life = await run(device, {
        seed: 5,
        prompt,
        length: 60,
        chunk: prompt,
        policy: policyOf("streaming", { sinks, recent, positions: "cache" }),
      });
      device.close();
      const { trace: x } = life;
      for (let event = 1; event <= 20; event++)
        inCache(x, life.kept[event], life.out[event], prompt - 1 + event, sinks);
    });
  });

/** The authors' own form: keys before RoPE, rotated by their slot in the cache; the query by its own. */
function inCache(x: Trace, kept: number[][], out: Float32Array, now: number, sinks: number): void {
  const back = x.frequencies.map((f) => -f);
  for (const [h, live] of kept.entries())
    for (let j = h * 3; j < h * 3 + 3; j++) {
      const slots = live.map((p, slot) => rotate(rotate(x.k[p][h], p, back), slot, x.frequencies));
      const q = rotate(x.qPre[now][j], live.length - 1, x.frequencies);
      const p = softmax(slots.map((k) => k.reduce((sum, y, d) => sum + y * q[d], 0) / Math.sqrt(x.headDim)));
      assert.ok(live.includes(0) && live.length > sinks);
      for (let d = 0; d < x.headDim; d++) {
        const expected = live.reduce((sum, position, i) => sum + p[i] * x.v[position][h][d], 0);
        const got = out[j * x.headDim + d];
        assert.ok(Math.abs(got - expected) < 2e-4, `event at ${now}, head ${j}: expected ${expected}, got ${got}`);
      }
    }
}
