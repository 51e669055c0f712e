// What a reproduction runs, and what it remembers.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { NEEDLE_LEFT_OUT, NEEDLE_POLICIES } from "../../src/eval/reproduce/needles.ts";
import {
  checkShape,
  EVICTION,
  EXPERIMENTS,
  plainName,
  ROOM,
  type Shape,
  stagesOf,
} from "../../src/eval/reproduce/plan.ts";
import { LEFT_OUT, policyAt, rivalsOf, unrunRemarks } from "../../src/eval/reproduce/rivals.ts";
import { type CalibratedGroup, openState, saveState } from "../../src/eval/reproduce/state.ts";
import { recipes } from "../../src/policy/index.ts";
import { parseSpec } from "../../src/policy/spec.ts";
import { withFolder } from "../support/checkpoint.ts";

const shape: Shape = {
  ...{ models: "models", problems: 10, width: 4, lengths: [256, 512, 1472], only: EXPERIMENTS, full: false },
  immediate: null,
};
const groupOf = (...names: string[]): CalibratedGroup => ({
  ...{ target: 4, failed: {} },
  found: Object.fromEntries(
    names.map((name) => [
      name,
      { policy: `${name}:budget=50`, value: 50, cr: 4, reached: true, probes: [], tokens: 100 },
    ]),
  ),
});
const groups = {
  methods: groupOf("dms-budget", "h2o"),
  "methods-2x": groupOf("dms-budget", "h2o"),
  "methods-8x": groupOf("dms-budget", "h2o"),
  eviction: groupOf(EVICTION.windowEqual, EVICTION.immediateEqual),
};
const idsOf = (shape: Shape): Record<string, string[]> =>
  Object.fromEntries(stagesOf(shape, groups).map(({ name, settings }) => [name, settings.map((each) => each.name!)]));

test("folders of runs, and what two experiments share once", () => {
  assert.deepEqual(idsOf(shape), {
    full: ["full"],
    "dms-4x": ["dms 4x"],
    wide: ["dms 4x, wide", "dms 8x, wide"],
    scaling: [256, 512].flatMap((length) => ["full", "dms 4x", "dms 8x"].map((name) => `${name} at ${length}`)),
    nudged: ["full, nudged", "dms 4x, nudged"],
    eviction: [EVICTION.window, EVICTION.windowEqual],
    methods: ["dms-budget", "h2o"],
  });
  assert.deepEqual(Object.keys(idsOf({ ...shape, only: ["methods"] })), ["full", "dms-4x", "methods"]);
  const all = idsOf({ ...shape, full: true, immediate: "there" });
  assert.deepEqual(all["methods-8x"], ["dms-budget, as 8x", "h2o, as 8x"]);
  assert.deepEqual(all.eviction, Object.values(EVICTION));
  const ids = Object.values(all).flat();
  assert.equal(new Set(ids).size, ids.length, "each name once: reports join the folders");
  assert.deepEqual(["h2o, as 8x", "h2o", "random, prompt kept"].map(plainName), ["h2o", "h2o", "random, prompt kept"]);
});

test("each setting has its model, its budget and room for an answer", () => {
  const stages = stagesOf({ ...shape, full: true, immediate: "there" }, groups);
  const settings = new Map(stages.flatMap((stage) => stage.settings.map((each) => [each.name, each])));
  const modelOf = (name: string) => settings.get(name)!.model.path;
  assert.deepEqual(modelOf("dms-budget, as 8x"), join("models", "abacus-dms-8x"));
  assert.deepEqual([modelOf("h2o, as 8x"), modelOf(EVICTION.immediate)], [join("models", "abacus"), "there"]);
  assert.deepEqual(settings.get("dms 8x at 256")!.budgets, [{ length: 256, width: 4, cr: 8 }]);
  for (const { depth, all, budgets } of settings.values())
    assert.deepEqual([depth!.room, all, budgets.length], [ROOM, true, 1]);
  const widths = [...settings.values()].map(({ name, budgets }) => [name!.endsWith("wide"), budgets[0].width]);
  assert.deepEqual(new Set(widths.map(String)), new Set(["false,4", "true,8"]));
  assert.equal(settings.get("dms 4x, nudged")!.depth!.nudges, 1);
});

test("rivals are policies at any value of their knobs", () => {
  for (const { policy, knob } of rivalsOf(1472, 90)) {
    for (const value of [knob.start, knob.harsh])
      assert.equal(parseSpec(policyAt(policy, knob, value)).options[knob.name], value);
    assert.ok(Math.min(knob.gentle, knob.harsh) <= knob.start && knob.start <= Math.max(knob.gentle, knob.harsh));
  }
});

test("each policy is run, or said to be left out and why", () => {
  const names = recipes.map(({ name }) => name);
  const run = rivalsOf(1472, 90).map(({ policy }) => parseSpec(policy).name);
  const leftOut = LEFT_OUT.flatMap(({ names }) => names);
  assert.deepEqual([...new Set([...run, ...leftOut, "full", "dms"])].sort(), names.toSorted());
  assert.ok(run.every((name) => !leftOut.includes(name)));
  const needles = [...NEEDLE_POLICIES, ...NEEDLE_LEFT_OUT.flatMap(({ names }) => names), "kvzap", "dms", "dms-budget"];
  assert.deepEqual(needles.toSorted(), names.toSorted());
  assert.deepEqual(unrunRemarks([{ names: ["a", "b"], why: "it cannot" }]), ["a, b: UNRUN, as it cannot."]);
});

test("shapes that make no sense are refused", () => {
  checkShape(shape);
  const wrong: [Partial<Shape>, RegExp][] = [
    [{ problems: 1 }, /problems: expected a whole number from 2/],
    [{ width: 0 }, /width/],
    [{ lengths: [] }, /got none/],
    [{ lengths: [512, 256] }, /shortest first/],
    [{ lengths: [20] }, /from 32, got 20/],
    [{ only: [] }, /experiments/],
  ];
  for (const [change, message] of wrong)
    assert.throws(() => checkShape({ ...shape, ...change }), { code: "bad-argument", message });
});

test("a state comes back as it was saved; another reproduction's folder is refused by name", () =>
  withFolder({}, async (out) => {
    const of = { seed: 0, width: 4, temperature: null, calibration: 24 };
    const state = await openState(join(out, "new"), of);
    state.groups.methods = groups.methods;
    state.tokens = 7;
    await saveState(join(out, "new"), state);
    assert.deepEqual(await openState(join(out, "new"), of), state);
    assert.deepEqual(
      await openState(join(out, "new"), { ...of, calibration: 64 }),
      state,
      "begun with 24, it keeps them",
    );
    await assert.rejects(openState(join(out, "new"), { ...of, seed: 1, width: 8 }), {
      code: "bad-argument",
      message: /another reproduction: seed was 0, now 1; width was 4, now 8; give what it was begun with/,
    });
    writeFileSync(join(out, "reproduce.json"), '{"version":1,"of":{}}');
    await assert.rejects(openState(out, of), { code: "bad-file", message: /version 1 of a reproduction's state/ });
    for (const calibration of [0, 1.5, "24"]) {
      writeFileSync(join(out, "reproduce.json"), JSON.stringify({ ...state, of: { ...of, calibration } }));
      await assert.rejects(openState(out, of), { code: "bad-file" });
    }
    writeFileSync(join(out, "reproduce.json"), "{");
    await assert.rejects(openState(out, of), { code: "bad-file" });
    await assert.rejects(openState(join(out, "reproduce.json"), of), { code: "bad-argument" });
  }));
