import assert from "node:assert/strict";
import { test } from "node:test";
import { ada } from "./ada.ts";
import { dms } from "./dms.ts";
import { dmsBudget } from "./dmsBudget.ts";
import { epikv } from "./epikv.ts";
import { expected } from "./expected.ts";
import { full } from "./full.ts";
import { h2o } from "./h2o.ts";
import { keydiff } from "./keydiff.ts";
import { knorm } from "./knorm.ts";
import { observed } from "./observed.ts";
import { pyramidBudgets } from "./pyramid.ts";
import { quest } from "./quest.ts";
import { rkv } from "./rkv.ts";
import { snapkv } from "./snapkv.ts";
import { streaming } from "./streaming.ts";
import { tova } from "./tova.ts";
import { type Kept, randomTrace, range, rotate, type Trace, topk } from "./trace.ts";
import { vase } from "./vase.ts";

const shape = { prompt: 20, length: 44, queryHeads: 4, kvHeads: 2, headDim: 8 };
const x = randomTrace(shape, 7);
const all = full(x);
const sizes = (kept: Kept): number[] => kept.map((heads) => heads[0].length);
const newest = (kept: Kept): boolean =>
  kept.every((heads, event) => heads.every((live) => live.at(-1) === x.prompt - 1 + event));

/** Every policy with room for `n` keys. */
const withRoom = (t: Trace, n: number): Record<string, Kept> => ({
  streaming: streaming(t, { sinks: 2, recent: n - 2 }),
  h2o: h2o(t, { heavy: n - 4, recent: 4 }),
  tova: tova(t, { budget: n }),
  snapkv: snapkv(t, { cap: n, window: 3, kernel: 5, every: 4 }),
  rkv: rkv(t, { budget: n, buffer: 1, window: 3, kernel: 7, lambda: 0.1 }),
  vase: vase(t, { budget: n, window: 1, large: 3, kernel: 5, sinks: 2, seed: 1 }),
  dmsBudget: dmsBudget(t, { capacity: n + 1, keep: n - 4, window: 3, shift: 1 }),
  knorm: knorm(t, { keys: n, every: 1 }),
  keydiff: keydiff(t, { keys: n, every: 1 }),
  observed: observed(t, { keys: n }),
  expected: expected(t, { keys: n, sinks: 2, future: 8, epsilon: 0 }),
});

test("room for every key equals full", () => {
  for (const [name, kept] of Object.entries(withRoom(x, x.length))) assert.deepEqual(kept, all, name);
  assert.deepEqual(dms(x, { threshold: Infinity, window: 0, shift: 1, dense: false }), all);
  assert.deepEqual(dms(x, { threshold: -Infinity, window: x.length, shift: 1, dense: false }), all);
  assert.deepEqual(quest(x, { budget: x.length, page: 4 }), all);
});

test("sizes obey budgets, positions ascend and never return", () => {
  const grown = range(0, 25).map((event) => 12 + event);
  const policies = withRoom(x, 12);
  for (const [name, kept] of Object.entries(policies)) {
    assert.equal(kept.length, x.length - x.prompt + 1);
    kept.forEach((heads, event) => {
      heads.forEach((live, head) => {
        assert.deepEqual(
          live,
          [...new Set(live)].sort((a, b) => a - b),
          name,
        );
        const before = event === 0 ? [] : kept[event - 1][head];
        assert.ok(event === 0 || live.every((p) => before.includes(p) || p === x.prompt - 1 + event), name);
      });
    });
  }
  const flat = range(0, 25).map(() => 12);
  assert.deepEqual(sizes(policies.vase), [20, ...flat.slice(1)]);
  for (const name of ["h2o", "tova", "rkv", "dmsBudget", "knorm", "keydiff"])
    assert.deepEqual(sizes(policies[name]), flat, name);
  for (const name of ["observed", "expected"]) assert.deepEqual(sizes(policies[name]), grown, name);
  assert.deepEqual(sizes(policies.streaming), [20, ...flat.slice(1)]);
  assert.deepEqual(
    sizes(policies.snapkv),
    range(0, 25).map((event) => 12 + (event % 4)),
  );
  for (const name of ["streaming", "h2o", "snapkv", "rkv", "dmsBudget"]) assert.ok(newest(policies[name]), name);
  assert.deepEqual(
    sizes(rkv(x, { budget: 10, buffer: 5, window: 3, kernel: 7, lambda: 0.1 })).slice(0, 7),
    [10, 11, 12, 13, 14, 10, 11],
  );
});

test("vase keeps sinks and large values, and draws the rest anew", () => {
  const large = new Set([5, 9, 26]);
  const v = x.v.map((row, p) => row.map((a) => (large.has(p) ? a.map((c, d) => c + 9 * (-1) ** d) : a)));
  const settings = { budget: 14, window: 4, large: 5, kernel: 3, sinks: 2 };
  const ends = range(0, 8).map((seed) => vase({ ...x, v }, { ...settings, seed }).at(-1)!);
  for (const heads of ends)
    for (const live of heads) for (const p of [0, 1, ...large]) assert.ok(live.includes(p), `${p} of ${live}`);
  assert.ok(new Set(ends.map(String)).size > 4, "seeds draw alike");
});

test("epikv keeps the prompt and the tokens with which the state moved", () => {
  // Both states move by 1 a token; the early one by 3 at tokens 24 and 31, the late one at 28.
  const moving = (far: number[]) =>
    range(0, x.length).map((p) => Float32Array.of(p + 2 * far.filter((q) => q <= p).length));
  const settings = { keys: 26, recent: 3, window: 9 };
  const kept = epikv(x, { ...settings, early: moving([24, 31]), late: moving([28]) }).at(-1)!;
  assert.deepEqual(kept[0], kept[1]);
  assert.equal(kept[0].length, 26);
  assert.deepEqual(kept[0].slice(0, 20), range(0, 20));
  assert.deepEqual(kept[0].slice(-3), [41, 42, 43]);
  assert.ok(kept[0].includes(24) && kept[0].includes(31) && !kept[0].includes(28));
  assert.deepEqual(epikv(x, { ...settings, keys: x.length, early: x.x, late: x.x }), all);
});

test("streaming keeps the two ends", () => {
  const kept = streaming(x, { sinks: 2, recent: 3 });
  assert.deepEqual(kept[0], all[0]);
  assert.deepEqual(kept[5], [
    [0, 1, 22, 23, 24],
    [0, 1, 22, 23, 24],
  ]);
});

test("tova keeps one set per layer", () => {
  for (const heads of tova(x, { budget: 9 })) assert.deepEqual(heads[0], heads[1]);
});

test("dms follows the worked vector", () => {
  const a = [0, 1, 0, 1, 1, 0, 0];
  const t = {
    ...randomTrace({ ...shape, prompt: 1, length: 7, kvHeads: 1 }, 1),
    z: a.map((bit) => Float32Array.of(bit)),
  };
  const sets = [[0], [0, 1], [0, 1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 3, 4, 5], [1, 4, 5, 6]];
  const settings = { threshold: 0.5, window: 2, shift: 1 };
  assert.deepEqual(
    dms(t, { ...settings, dense: false }),
    sets.map((set) => [set]),
  );
  const whole = { ...t, prompt: 6 };
  assert.deepEqual(dms(whole, { ...settings, dense: false }), [[sets[5]], [sets[6]]]);
  assert.deepEqual(dms(whole, { ...settings, dense: true }), [[range(0, 6)], [sets[6]]]);
});

test("a key that every query looks at survives", () => {
  const one = Float32Array.of(1, 0, 0, 0, 0, 0, 0, 0);
  const same = x.q.map((row) => row.map(() => one));
  const k = x.k.map((row, p) => row.map(() => one.map((a) => (p === 7 ? 20 * a : 0))));
  const t: Trace = {
    ...x,
    q: same,
    qPre: same,
    k,
    frequencies: new Float32Array(4),
    v: x.v.map((row) => row.map(() => one)),
  };
  // Pooling spreads a peak over its neighbours and may lose the peak itself.
  const policies = withRoom(t, 6);
  policies.snapkv = snapkv(t, { cap: 6, window: 3, kernel: 1, every: 4 });
  for (const name of ["h2o", "tova", "snapkv", "observed", "expected"])
    for (const head of policies[name].at(-1)!) assert.ok(head.includes(7), name);
  for (const heads of quest(t, { budget: 12, page: 4 }).slice(1)) assert.ok(heads[0].includes(7));
  assert.ok(!policies.knorm[0][0].includes(7));
});

test("quest reads the newest page and two others", () => {
  quest(x, { budget: 12, page: 4 }).forEach((heads, event) => {
    const now = x.prompt - 1 + event;
    for (const live of heads) {
      assert.equal(live.length, event === 0 ? x.prompt : 8 + (now % 4) + 1);
      assert.equal(live.at(-1), now);
    }
  });
});

test("of equal scores the older stays", () => {
  assert.deepEqual(topk([1, 2, 1, 2, 1], 3), [0, 1, 3]);
  assert.deepEqual(topk([Infinity, 0, Infinity, -Infinity], 3), [0, 1, 2]);
});

test("rotation keeps the angle between a query and a key at the same distance", () => {
  const [a, b] = [x.qPre[0][0], x.k[0][0]];
  const at = (p: number): number => {
    const [u, w] = [rotate(a, p + 3, x.frequencies), rotate(b, p, x.frequencies)];
    return u.reduce((s, c, d) => s + c * w[d], 0);
  };
  assert.ok(Math.abs(at(0) - at(50)) < 1e-4);
});

test("pyramid budgets fall with depth and average to the kept share", () => {
  // cap - w = 200, mn = 10, mx = 390: 8 <= 10, so the slope is 380 / 4.
  assert.deepEqual(pyramidBudgets(400, 5, 2, 8, 20), [390, 295, 200, 105, 10]);
  assert.deepEqual(pyramidBudgets(101, 3, 2, 64, 20), [50, 50, 50]);
});

test("ada pools the layer's budget and keeps the floor", () => {
  const scores = [
    [9, 8, 7, 6],
    [1, 2, 3, 4],
  ];
  assert.deepEqual(ada(scores, 2, 0), [[0, 1, 2, 3], []]);
  assert.deepEqual(ada(scores, 2, 1), [[0, 1, 2], [3]]);
  assert.deepEqual(ada([[0, 0, 5, Infinity], scores[0]], 2, 0), [[3], [0, 1, 2]]);
});
