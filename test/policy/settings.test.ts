// Settings of the rivals made for reasoning: what they become, and what is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { makePolicy } from "../../src/policy/index.ts";
import { parseSpec } from "../../src/policy/spec.ts";

const made = (text: string, layers = 32, tokens?: number) => {
  const { name, options } = parseSpec(text);
  return makePolicy(name, { layers, dms: null }, { ...options, tokens }).cut!;
};
const refused = (text: string, message: RegExp, layers = 32) =>
  assert.throws(() => made(text, layers), { name: "HyperthinkError", code: "bad-argument", message });

test("vase as the authors ran it: 64 newest keys, a quarter of the budget for large values", () => {
  const { rule, decode, watch, protect } = made("vase:budget=1024");
  assert.deepEqual([rule.slack, rule.recent, watch.queries, protect], [64, 64, 64, 4]);
  assert.deepEqual(decode!.score[2], { kind: "range", part: 0.25, recent: 64 });
});

test("epikv looks after layers 10 and 21 of 32, and as far into other models", () => {
  const after = (layers: number) => {
    const { early, late } = made("epikv:budget=400", layers).watch.changes!;
    return [early, late];
  };
  assert.deepEqual(after(32), [11, 22]);
  assert.deepEqual(after(30), [10, 20]);
  assert.deepEqual(after(2), [0, 1]);
  assert.deepEqual(made("epikv:budget=400,early=3,late=4,window=32").watch.changes, { early: 3, late: 4, window: 32 });
});

test("epikv keeps 128 recent keys, or a quarter of a smaller budget", () => {
  assert.equal(made("epikv:budget=4096").rule.recent, 128);
  assert.equal(made("epikv:budget=399").rule.recent, 99);
  assert.equal(made("epikv:cr=4", 32, 400).rule.recent, 25);
  assert.equal(made("epikv:cr=4,recent=9").rule.recent, 9);
});

test("what does not fit is refused by name", () => {
  refused("vase", /vase needs a budget/);
  refused("vase:budget=64", /policy vase: expected a budget above its window of 64 keys .*, got 64/);
  refused("vase:budget=99,large=1.1", /large to be a number from 0 to 1, got 1.1/);
  refused("vase:budget=99,kernel=4", /an odd kernel, got 4/);
  refused("vase:budget=99,window=2000", /window to be a whole number from 1 to 1024/);
  refused("vase:budget=99,recent=3", /vase has no recent/);
  refused("epikv:cr=4", /--budget KEYS or recent, as the number of tokens that --cr is a share of is not known/);
  refused("epikv:budget=99", /expected early < late < 1, the model's layers, got early=0 and late=0/, 1);
  refused("epikv:budget=99,early=22", /got early=22 and late=22/);
  refused("epikv:budget=99,late=32", /expected early < late < 32/);
  refused("epikv:budget=99,recent=99", /recent below the budget of 99, got 99/);
  refused("epikv:budget=99,recent=0", /recent to be a whole number from 1/);
  refused("epikv:budget=99,window=1", /window to be a whole number from 2/);
  refused("epikv:budget=99,protect=4", /epikv has no protect/);
});
