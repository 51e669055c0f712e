// The search for a setting that achieves a ratio, on made-up policies.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { SettingChoice } from "../../src/eval/harness/setting.ts";
import { type Calibrated, calibrate, type Knob, Search } from "../../src/eval/reproduce/calibrate.ts";
import { calibrateAll } from "../../src/eval/reproduce/calibration.ts";
import { EVICTION } from "../../src/eval/reproduce/plan.ts";
import type { Runner } from "../../src/eval/reproduce/runner.ts";
import type { State } from "../../src/eval/reproduce/state.ts";

const budget: Knob = { name: "budget", gentle: 3000, harsh: 2, start: 90, step: 1, log: true };
const threshold: Knob = { name: "threshold", gentle: 60, harsh: -20, start: 0, step: 0.05, log: false };

async function found(knob: Knob, target: number, crOf: (value: number) => number | null): Promise<Calibrated | null> {
  const search = new Search(knob, target);
  await calibrate(new Map([["it", search]]), async (wanted) => {
    const value = wanted.get("it")!;
    assert.ok(value >= Math.min(knob.gentle, knob.harsh) && value <= Math.max(knob.gentle, knob.harsh), `${value}`);
    return new Map([["it", crOf(value)]]);
  });
  return search.best();
}

test("a budget: chains that hold 350 keys unless it cuts them", async () => {
  for (const target of [1.5, 3.9, 7.8, 30]) {
    const best = await found(budget, target, (value) => Math.max(1, 350 / (value + 8)));
    assert.ok(best?.reached, JSON.stringify(best));
    assert.ok(Math.abs(best.cr / target - 1) < 0.06 && best.probes.length <= 7, JSON.stringify(best));
    assert.equal(best.value, Math.round(best.value));
    assert.equal(best.cr, Math.max(1, 350 / (best.value + 8)));
  }
});

test("a threshold whose ratio bends, whichever side it begins on", async () => {
  for (const target of [1.4, 3, 6]) {
    const best = await found(threshold, target, (value) => 1 + 6 / (1 + Math.exp((value - 5) / 8)));
    assert.ok(best?.reached && best.probes.length <= 8, JSON.stringify(best));
  }
});

test("noise of some percent does not lead it astray", async () => {
  let n = 0;
  const best = await found(budget, 4, (value) => (350 / value) * [0.97, 1.02, 0.99, 1.03][n++ % 4]);
  assert.ok(best?.reached, JSON.stringify(best));
});

test("what cannot reach it runs at its nearest, and says so", async () => {
  const best = await found({ ...budget, harsh: 16 }, 4, (value) => Math.min(1.6, 350 / value));
  assert.deepEqual([best?.reached, best?.cr], [false, 1.6]);
  assert.ok(
    best!.probes.some(({ value }) => value === 16),
    "the end was tried",
  );
  assert.ok(best!.probes.length <= 5, JSON.stringify(best));
});

test("settings at which chains fail are too harsh; where all fail there is none", async () => {
  const best = await found(budget, 4, (value) => (value < 150 ? null : 350 / value));
  assert.equal(best?.reached, false);
  assert.ok(best!.value >= 150 && best!.value < 200, JSON.stringify(best));
  assert.equal(await found(budget, 4, () => null), null);
});

test("searches go side by side, and one that is over is not run again", async () => {
  const crs: Record<string, (value: number) => number> = { a: (v) => 360 / v, b: (v) => 700 / v };
  const searches = new Map(Object.keys(crs).map((name) => [name, new Search(budget, 4)]));
  const rounds: string[][] = [];
  await calibrate(searches, async (wanted, round) => {
    assert.equal(round, rounds.length);
    rounds.push([...wanted.keys()]);
    return new Map([...wanted].map(([name, value]) => [name, crs[name](value)]));
  });
  assert.deepEqual(rounds[0], ["a", "b"]);
  assert.ok(
    rounds.slice(1).every((names) => names.join() === "b"),
    JSON.stringify(rounds),
  );
  for (const search of searches.values()) assert.ok(search.best()!.reached);
});

test("what is sought later has a folder of its own, also after a search that failed", async () => {
  const places: string[] = [];
  const measured = { cr: 4, live: 90, tokens: [400] };
  const state: State = {
    ...{ version: 1, of: { calibration: 8 }, measured: { full: measured, "dms-4x": measured }, tokens: 0, seconds: 0 },
    groups: { eviction: { target: 4, found: {}, failed: { [EVICTION.windowEqual]: "chains failed" } } },
  };
  const runner = {
    ...{ out: "", state, save: async () => {} },
    run: async (place: string, settings: SettingChoice[], { problems }: { problems: number }) => {
      assert.equal(problems, 8);
      places.push(place);
      return settings.map(({ name }) => ({ setting: name, failed: 0, cr: 4, tokens: 300 }));
    },
  };
  const shape = { models: "m", problems: 300, width: 2, lengths: [256], only: ["eviction"] as const, full: false };
  await calibrateAll(runner as unknown as Runner, { ...shape, immediate: "there" }, 0);
  assert.deepEqual(places, [join("calibration", "eviction-1", "0")]);
  assert.ok(state.groups.eviction.found[EVICTION.immediateEqual].reached);
});

test("targets and knobs that make no sense", () => {
  for (const target of [1, 0.5, Number.NaN, Infinity])
    assert.throws(() => new Search(budget, target), { code: "bad-argument", message: /ratio above 1/ });
  assert.throws(() => new Search({ ...budget, harsh: 3000 }, 4), { code: "bad-argument", message: /two ends/ });
});
