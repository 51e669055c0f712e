// Drawing tokens: by hand, against a few lines written here, and by frequency.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { seeded, uniform } from "../../src/base/rng.ts";
import { MAX_TOP } from "../../src/device/ops.ts";
import { allDevices, gaussians, rig } from "./devices.ts";

interface Sampler {
  temperature?: number;
  topP?: number;
  minP?: number;
  penalty?: number;
  topK?: number;
  seed?: [number, number];
  chain?: number;
  seen?: number[];
}

/** Probabilities by id after all filters. */
function filtered(logits: ArrayLike<number>, s: Sampler): Map<number, number> {
  const all = Array.from(logits, (logit, id) => {
    const l = !s.seen?.includes(id) ? logit : logit > 0 ? logit / (s.penalty ?? 1) : logit * (s.penalty ?? 1);
    return { id, l };
  }).sort((a, b) => b.l - a.l || a.id - b.id);
  const temperature = s.temperature ?? 1;
  if (temperature === 0) return new Map([[all[0].id, 1]]);
  let kept = all.slice(0, s.topK || all.length).map(({ id, l }) => ({ id, p: Math.exp((l - all[0].l) / temperature) }));
  const total = kept.reduce((sum, { p }) => sum + p, 0);
  let before = 0;
  if ((s.topP ?? 1) < 1) {
    kept = kept.filter(({ p }) => {
      const keep = before < Math.fround(s.topP!) * total;
      before += p;
      return keep;
    });
  }
  kept = kept.filter(({ p }) => p >= Math.fround(s.minP ?? 0) * kept[0].p);
  const rest = kept.reduce((sum, { p }) => sum + p, 0);
  return new Map(kept.sort((a, b) => a.id - b.id).map(({ id, p }) => [id, p / rest]));
}

function expectedId(logits: ArrayLike<number>, s: Sampler, position: number): { id: number; margin: number } {
  const u = uniform(s.seed?.[0] ?? 0, s.seed?.[1] ?? 0, s.chain ?? 0, position);
  let sum = 0;
  let margin = 1;
  let chosen = -1;
  for (const [id, p] of filtered(logits, s)) {
    sum += p;
    margin = Math.min(margin, Math.abs(sum - u));
    if (chosen < 0 && sum > u) chosen = id;
  }
  return { id: chosen, margin };
}

for (const candidate of allDevices) {
  describe(candidate.name, () => {
    const { device, f32, i32, u32, run, read, close } = rig(candidate);
    after(() => device.close());

    /** Items are [row, sampler, position, log-probabilities]. */
    async function sample(logits: Float32Array, vocabulary: number, list: Sampler[], items: number[][]) {
      const words = Math.ceil(vocabulary / 32);
      const seen = new Uint32Array(list.length * words);
      for (const [i, s] of list.entries())
        for (const id of s.seen ?? []) seen[i * words + (id >>> 5)] |= 1 << (id & 31);
      const samplers = {
        real: f32(list.flatMap((s) => [s.temperature ?? 1, s.topP ?? 1, s.minP ?? 0, s.penalty ?? 1])),
        whole: u32(list.flatMap((s) => [s.topK ?? 0, s.seed?.[0] ?? 0, s.seed?.[1] ?? 0, s.chain ?? 0])),
        seen: u32(seen),
      };
      const out = {
        ids: device.i32(items.length),
        logprob: device.f32(items.length),
        topIds: device.i32(items.length * MAX_TOP),
        topLogprobs: device.f32(items.length * MAX_TOP),
      };
      const rows = f32(logits);
      const spaced = i32([-9, -9, -9, -9, ...items.flat()]); // the list starts at item 1
      const draws = { list: spaced, first: 1, count: items.length };
      await run((pass) => pass.sample({ ...out, ...samplers, logits: rows, vocabulary, draws }));
      assert.deepEqual(await read(rows), logits, "logits stay as they are");
      return out;
    }

    test("each filter by hand", async () => {
      // ln of 0.1 0.4 0.4 0.05 0.05: what survives is seen by drawing at many positions.
      const logits = Float32Array.from([0.1, 0.4, 0.4, 0.05, 0.05], Math.log);
      const cases: [string, Sampler, number[]][] = [
        ["nothing", {}, [0, 1, 2, 3, 4]],
        ["greedy, lowest id of equals", { temperature: 0 }, [1]],
        ["greedy after the penalty", { temperature: 0, penalty: 4, seen: [1, 2] }, [0]],
        ["top-k, lower id of equals", { topK: 4 }, [0, 1, 2, 3]],
        ["top-k 1", { topK: 1 }, [1]],
        ["top-k beyond the vocabulary", { topK: 50 }, [0, 1, 2, 3, 4]],
        ["top-p reached inside the second", { topP: 0.6 }, [1, 2]],
        ["top-p 0 keeps one", { topP: 0 }, [1]],
        ["top-p after top-k renormalises", { topK: 2, topP: 0.45 }, [1]],
        ["min-p", { minP: 0.2 }, [0, 1, 2]],
        ["penalty has no hold on unseen ids", { penalty: 50, seen: [1, 2] }, [0, 3, 4]],
        ["a cold temperature", { temperature: 0.05 }, [1, 2]],
      ];
      for (const [name, sampler, ids] of cases) {
        const out = await sample(
          logits,
          5,
          [sampler],
          Array.from({ length: 400 }, (_, position) => [0, 0, position, -1]),
        );
        assert.deepEqual([...new Set(out.ids.host)].sort(), ids, name);
        assert.ok(
          out.logprob.host.every((l) => l === 0),
          name,
        );
      }
    });

    test("penalty: positive logits shrink, negative ones grow more negative", async () => {
      const items = [
        [0, 0, 0, -1],
        [1, 1, 0, -1],
        [2, 1, 0, -1],
      ];
      const greedy = { temperature: 0, penalty: 2 };
      const logits = Float32Array.of(4, 3, -9, -1, -1.5, -9, -9, -9, 0);
      const out = await sample(
        logits,
        3,
        [
          { ...greedy, seen: [0] },
          { ...greedy, seen: [0, 2] },
        ],
        items,
      );
      assert.deepEqual([...out.ids.host], [1, 1, 2]);
    });

    test("a row that is no distribution gives -1 and nothing else, whatever the sampler", async () => {
      const { NaN: nan, POSITIVE_INFINITY: inf, NEGATIVE_INFINITY: none } = Number;
      for (const vocabulary of [1, 5, 16, 64, 331]) {
        const random = seeded(vocabulary);
        const at = [0, vocabulary >> 1, vocabulary - 1];
        const rows = [
          gaussians(random, vocabulary),
          ...[nan, inf].flatMap((wrong) => at.map((i) => gaussians(random, vocabulary).fill(wrong, i, i + 1))),
          gaussians(random, vocabulary)
            .fill(none)
            .fill(nan, vocabulary - 1),
          new Float32Array(vocabulary).fill(nan),
          new Float32Array(vocabulary).fill(none),
          gaussians(random, vocabulary),
        ];
        const logits = Float32Array.from(rows.flatMap((row) => [...row]));
        for (const sampler of [
          { temperature: 0 },
          { temperature: 0, penalty: 2, seen: [0] },
          {},
          { temperature: 0.7, topK: 3, topP: 0.9, minP: 0.01, penalty: 1.1, seen: [0] },
        ]) {
          const items = (wanted: number) => rows.map((_, row) => [row, 0, row, wanted]);
          for (const wanted of [-1, 2]) {
            const out = await sample(logits, vocabulary, [sampler], items(wanted));
            const drawn = [...out.ids.host];
            assert.deepEqual(drawn.slice(1, -1), drawn.slice(1, -1).fill(-1), `vocabulary ${vocabulary}`);
            assert.ok(drawn[0] >= 0 && drawn[drawn.length - 1] >= 0, `finite rows, vocabulary ${vocabulary}`);
            assert.ok(out.logprob.host.slice(1, -1).every((l) => l === 0));
            assert.ok(out.topLogprobs.host.every((l) => Number.isFinite(l)));
          }
        }
      }
    });

    test("minus infinity among others is a token that is never drawn", async () => {
      const none = Number.NEGATIVE_INFINITY;
      const logits = Float32Array.of(none, 0, none, 0, none);
      const samplers = [{}, { topK: 4 }, { topP: 0.99 }, { temperature: 50 }, { penalty: 2, seen: [0, 1] }];
      const items = samplers.flatMap((_, s) => Array.from({ length: 60 }, (_, position) => [0, s, position, 3]));
      const out = await sample(logits, 5, samplers, items);
      assert.deepEqual([...new Set(out.ids.host)].sort(), [1, 3]);
      close(out.logprob.host.slice(0, 1), [Math.log(0.5)], "log-probability");
      assert.deepEqual([...out.topIds.host.subarray(0, 3)], [1, 3, 0]);
      assert.equal(out.topLogprobs.host[2], none);
    });

    test("the smallest temperature and penalty, and the largest logits", async () => {
      const least = 2 ** -149; // of float32
      const ids = async (logits: number[], sampler: Sampler) => {
        const positions = Array.from({ length: 60 }, (_, position) => [0, 0, position, 0]);
        const out = await sample(Float32Array.from(logits), logits.length, [sampler], positions);
        assert.ok(out.logprob.host.every((l) => Number.isFinite(l)));
        return [...new Set(out.ids.host)].sort();
      };
      const most = 3.4e38;
      for (const temperature of [1e-38, least]) {
        assert.deepEqual(await ids([1, 3, 3, 2, -most], { temperature }), [1, 2]);
        assert.deepEqual(await ids([1, 3, 3, 2, -most], { temperature, topP: 0.6, minP: 0.1 }), [1, 2]);
        assert.deepEqual(await ids([1, most, -most], { temperature }), [1]);
        assert.deepEqual(await ids([1, 3, 3, 2], { temperature, penalty: least, seen: [0, 3] }), [3]);
      }
      assert.deepEqual(await ids([most, most, -most], {}), [0, 1]);
    });

    test("random samplers over odd vocabularies", async () => {
      const random = seeded(11);
      for (const vocabulary of [1, 7, 331, 1000]) {
        const rows = 13;
        const logits = gaussians(random, rows * vocabulary).map((l) => l * 3);
        const samplers = Array.from(
          { length: 24 },
          (_, i): Sampler => ({
            temperature: [0, 0.6, 1, 1.7][i % 4],
            topP: [1, 0.95, 0.5][random.below(3)],
            minP: [0, 0.05][random.below(2)],
            penalty: [1, 1.3][random.below(2)],
            topK: [0, 1, 20, 500][random.below(4)],
            seed: [random.below(2 ** 31), random.below(2 ** 31)],
            chain: random.below(64),
            seen: Array.from({ length: 1 + random.below(vocabulary) }, () => random.below(vocabulary)),
          }),
        );
        const items = samplers.flatMap((_, s) => [
          [random.below(rows), s, random.below(5000), -1],
          [random.below(rows), s, 2 ** 20 + s, 3],
        ]);
        const out = await sample(logits, vocabulary, samplers, items);
        let certain = 0;
        for (const [i, [row, s, position]] of items.entries()) {
          const { id, margin } = expectedId(
            logits.subarray(row * vocabulary, (row + 1) * vocabulary),
            samplers[s],
            position,
          );
          if (margin < 1e-5 && samplers[s].temperature !== 0) continue; // float32 sums may fall to either side
          certain++;
          assert.equal(out.ids.host[i], id, `vocabulary ${vocabulary}, ${JSON.stringify(samplers[s])}`);
        }
        // A vocabulary of one has no other sum than 1; its margin is 1 - u, or 0 with only one id kept.
        assert.ok(certain >= items.length * 0.8, `${certain} of ${items.length} draws were clear`);
      }
    });

    test("frequencies match the filtered probabilities", async () => {
      const logits = gaussians(seeded(12), 40);
      const sampler: Sampler = { temperature: 0.8, topP: 0.9, topK: 12, seed: [3, 4], chain: 5 };
      const draws = 6000;
      const out = await sample(
        logits,
        40,
        [sampler],
        Array.from({ length: draws }, (_, position) => [0, 0, position, -1]),
      );
      const expected = filtered(logits, sampler);
      let chi = 0;
      for (const [id, p] of expected) {
        chi += (out.ids.host.filter((drawn) => drawn === id).length - draws * p) ** 2 / (draws * p);
      }
      assert.ok(out.ids.host.every((id) => expected.has(id)));
      assert.ok(expected.size > 5 && chi < 50, `chi-square ${chi} over ${expected.size} ids`); // 11 degrees: 1 in 10^6
    });

    test("log-probabilities are those of the raw logits", async () => {
      const vocabulary = 187;
      const logits = gaussians(seeded(13), 2 * vocabulary);
      logits.set([9, 9, 9], vocabulary + 50); // ties: lower id first
      const samplers: Sampler[] = [
        { temperature: 0, penalty: 3, seen: [1, 2, 50] },
        { temperature: 2, topK: 3 },
      ];
      for (const wanted of [0, 1, 5, MAX_TOP]) {
        const out = await sample(logits, vocabulary, samplers, [
          [1, 0, 7, wanted],
          [0, 1, 8, wanted],
        ]);
        for (const [i, row] of [1, 0].entries()) {
          const plain = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
          const norm = Math.log(plain.reduce((sum, l) => sum + Math.exp(l), 0));
          const ranked = [...plain.keys()].sort((a, b) => plain[b] - plain[a] || a - b).slice(0, wanted);
          assert.deepEqual([...out.topIds.host.subarray(i * MAX_TOP, i * MAX_TOP + wanted)], ranked);
          close(
            out.topLogprobs.host.slice(i * MAX_TOP, i * MAX_TOP + wanted),
            ranked.map((t) => plain[t] - norm),
            "top",
          );
          close(out.logprob.host.slice(i, i + 1), [plain[out.ids.host[i]] - norm], "drawn");
        }
        assert.equal(out.ids.host[0], 51); // 50 was seen, 51 and 52 tie
      }
    });
  });
}
