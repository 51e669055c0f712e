// What the page says, of records that were made up.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { RecordedSetting } from "../../src/eval/harness/record.ts";
import { evictionSection, methodsSection } from "../../src/eval/reproduce/methods.ts";
import { pageOf, type Told } from "../../src/eval/reproduce/page.ts";
import { EVICTION } from "../../src/eval/reproduce/plan.ts";
import { frontiersSection, scalingSection } from "../../src/eval/reproduce/scaling.ts";
import type { Section } from "../../src/eval/reproduce/section.ts";
import { claimOf, claimOfAll } from "../../src/eval/reproduce/sentences.ts";
import type { CalibratedGroup } from "../../src/eval/reproduce/state.ts";
import { recordFiles, withScratch, writeRecord } from "../support/made-record.ts";

const PROBLEMS = 40;

interface Run {
  id: string;
  policy?: string;
  model?: string;
  length?: number;
  width?: number;
  cr?: number;
  /** Share of chains that are right, achieved ratio, tokens of a chain. */
  right: number;
  achieved?: number;
  tokens?: number;
}

/** A folder of runs in which as many chains are right as asked for, spread over the problems. */
function write(folder: string, runs: readonly Run[]): string {
  const settings = runs.map(
    ({ id, policy = "full", model = "abacus", length = 1472, width = 4, cr = 1 }): RecordedSetting => ({
      ...{ id, policy, model, length, width, cr },
    }),
  );
  const files = recordFiles({
    ...{ problems: PROBLEMS, settings, tasks: [{ spec: "abacus", name: "abacus" }] },
    chain: (problem, { id, width }, chain) => {
      const { right, achieved = 1, tokens = 400 } = runs.find((run) => run.id === id)!;
      const isRight = (problem * width + chain * 7) % 20 < 20 * right;
      const fullReads = tokens * 300;
      const cost = { tokens, fullReads, reads: fullReads / achieved, peakKeys: 10 + 500 / achieved };
      return { ...cost, key: isRight ? "1" : "2", score: Number(isRight) };
    },
  });
  writeRecord(folder, files);
  return folder;
}

const full: Run = { id: "full", right: 0.7 };
const dms: Run = { id: "dms 4x", policy: "dms", model: "abacus-dms-4x", cr: 4, right: 0.65, achieved: 4 };
const rival = (id: string, right: number, achieved: number): Run => ({ id, policy: `${id}:budget=9`, right, achieved });
const groupOf = (target: number, found: Record<string, { cr: number; reached: boolean }>): CalibratedGroup => ({
  target,
  failed: { vase: "chains failed at every budget that was tried, from 1 to 2" },
  found: Object.fromEntries(
    Object.entries(found).map(([name, each]) => [
      name,
      { ...each, value: 9, probes: [], policy: `${name}:budget=9`, tokens: 1 },
    ]),
  ),
});
const group = groupOf(4.02, {
  h2o: { cr: 4, reached: true },
  tova: { cr: 4, reached: true },
  snapkv: { cr: 1.3, reached: false },
});
const methods = (folder: string, tova: number): Promise<Section> =>
  methodsSection(
    [
      write(join(folder, "full"), [full]),
      write(join(folder, "dms-4x"), [dms]),
      write(join(folder, "methods"), [
        { ...rival("h2o", 0.2, 4.1), tokens: 800 },
        rival("tova", tova, 3.9),
        rival("snapkv", 0.7, 1.3),
      ]),
    ],
    group,
    1472,
  );

describe("methods at one ratio", () => {
  test("the claim holds where dms beats each at its ratio; what keeps more is set apart", () =>
    withScratch(async (folder) => {
      const { claims, remarks, tables } = await methods(folder, 0.5);
      assert.deepEqual(
        claims.map(({ verdict }) => verdict),
        ["holds", "holds"],
      );
      assert.match(
        claims[0].finding,
        /^Of 2, it holds against 2; by 10\.0 points or more against 2\. .* is tova: \+15\.0 \[/,
      );
      assert.match(
        remarks[0],
        /^Chains of 1 of 3 methods are surely longer .* up to 2\.0 times \(h2o, which reads 73\.2 /,
      );
      assert.match(remarks[1], /^snapkv achieves 1\.30, not 4\.00: it keeps more than dms.* is -5\.0 \[/);
      assert.match(remarks[2], /^vase was not run: chains failed/);
      assert.ok(remarks.some((text) => text.startsWith("quest: UNRUN, as it evicts nothing")));
      const [{ columns, rows }] = tables;
      assert.equal(rows.length, 5);
      assert.ok(rows.every((row) => row.length === columns.length));
      const note = rows.find(([name]) => name === "snapkv")!.at(-1);
      assert.match(
        String(note),
        /^not at an equal ratio; nearest that calibration found, 1\.30; cuts the prompt alone/,
      );
    }));

  test("it fails where one beats dms, and is open where one ties", () =>
    withScratch(async (folder) => {
      assert.equal((await methods(join(folder, "a"), 0.9)).claims[0].verdict, "fails");
      const { claims } = await methods(join(folder, "b"), 0.65);
      assert.equal(claims[0].verdict, "open");
      assert.match(claims[0].finding, /against 1; by 10\.0 points or more against 1\. The closest is tova: 0\.0 /);
    }));
});

test("eviction: at once with the same gates, at their ratio, and trained for it", () =>
  withScratch(async (folder) => {
    const of = (id: string, right: number, achieved: number): Run => ({ ...dms, id, right, achieved });
    const runs = [
      of(EVICTION.window, 0.1, 5.5),
      { ...of(EVICTION.windowEqual, 0.65, 4), policy: "dms:window=0,threshold=3" },
    ];
    const folders = [write(join(folder, "full"), [full]), write(join(folder, "dms-4x"), [dms])];
    const section = await evictionSection([...folders, write(join(folder, "eviction"), runs)], groupOf(4, {}));
    assert.deepEqual(
      section.claims.map(({ verdict }) => verdict),
      ["holds", "open"],
    );
    assert.match(section.claims[0].claim, /at unequal ratios/);
    assert.match(section.claims[0].finding, /achieved CR 4\.00 and 5\.50: \+55\.0 \[/);
    assert.match(section.claims[1].claim, /at an equal ratio/);
    assert.match(section.remarks[0], /^No retrofit that was trained to evict at once/);
  }));

const eight: Run = { ...dms, id: "dms 8x", model: "abacus-dms-8x", cr: 8, achieved: 8, right: 0.6 };
const scaling = async (folder: string, change: Partial<Run> = {}, tokens = 400) => {
  const wide = [dms, eight].map((run) => ({ ...run, ...change, tokens, id: `${run.id}, wide`, width: 16 }));
  const [base, plain] = [write(join(folder, "base"), [{ ...full, tokens }]), write(join(folder, "dms"), [dms])];
  const at256 = (run: Run): Run => ({ ...run, id: `${run.id} at 256`, length: 256, right: 0.3, tokens: 240 });
  const shorter = write(join(folder, "scaling"), [full, dms, eight].map(at256));
  const nudged = write(join(folder, "nudged"), [{ ...full, id: "full, nudged", tokens: 600, right: 0.2 }]);
  return scalingSection([base, write(join(folder, "wide"), wide)], [shorter], [plain, nudged]);
};

describe("width and depth", () => {
  test("gaps by width and with depth, with their aims; depth against width", () =>
    withScratch(async (folder) => {
      const { claims, tables, figures, remarks } = await scaling(folder);
      const by = (text: string) => claims.filter(({ claim }) => claim.includes(text));
      assert.deepEqual(
        [by("(width alone)").length, by("(width and depth)").length, by("depth beats").length],
        [3, 3, 3],
      );
      assert.match(by("KV reads (width alone)")[0].finding, /points; .*; the aim of 6\.0 points is (met|missed)\.$/);
      assert.match(by("KV reads (width and depth)")[0].finding, /the aim of 12\.0 points/);
      assert.match(by("peak keys (width alone)")[0].finding, /[^s]\.$|decide it\.$|here\.$/);
      assert.deepEqual(
        tables.map(({ name }) => name),
        ["mean-gaps", "equal-reads", "cuts", "nudges"],
      );
      assert.deepEqual(
        figures.map(({ name }) => name),
        ["frontier-reads", "frontier-peakKeys", "frontier-peakBytes", "width-depth"],
      );
      const cuts = tables[2].rows.map(([setting, , share]) => [setting, share]);
      assert.deepEqual(cuts[0], ["full at 256", 1]);
      assert.deepEqual(cuts.at(-1), ["dms 8x, wide", 0]);
      assert.match(remarks[0], /^0\.0% of the chains of full think up to their limit at 1472 tokens: the others end/);
      assert.match(
        remarks.find((text) => text.startsWith("One nudge"))!,
        /1\.50 times as long; .*, less than the 70\.0/,
      );
    }));

  test("where dms gives nothing right the opposite holds", () =>
    withScratch(async (folder) => {
      const { claims, remarks } = await scaling(folder, { right: 0.05, achieved: 1.5 }, 1460);
      assert.equal(claims.find(({ claim }) => claim.includes("KV reads (width alone)"))!.verdict, "fails");
      assert.match(remarks[0], /^100\.0% .* a higher limit could change/);
    }));

  test("frontiers of all: the full cache's, and dms's against each rival's", () =>
    withScratch(async (folder) => {
      const runs = [
        full,
        dms,
        eight,
        rival("h2o", 0.2, 4.1),
        { ...rival("h2o", 0.1, 8), id: "h2o, as 8x", policy: "h2o:budget=4" },
      ];
      const { claims } = await frontiersSection([write(folder, runs)], "dms 4x");
      const against = claims.filter(({ claim }) => claim.startsWith("dms beats h2o at equal"));
      assert.deepEqual([...new Set(against.map(({ verdict }) => verdict))], ["holds"]);
      assert.equal(against.length, 3);
    }));
});

test("sentences: the verdict is the interval's, the aim the mean's", () => {
  const of = (mean: number, low: number, high: number, aim?: number) => claimOf("c", "w", { mean, low, high }, aim);
  assert.deepEqual(of(0.07, 0.02, 0.12, 0.06), {
    ...{ claim: "c", verdict: "holds" },
    finding: "w: +7.0 [+2.0, +12.0] points; the claim holds here; the aim of 6.0 points is met.",
  });
  assert.match(of(0.05, 0.02, 0.08, 0.06).finding, /is missed\.$/);
  assert.deepEqual([of(0.05, -0.01, 0.1).verdict, of(-0.05, -0.1, -0.01).verdict], ["open", "fails"]);
  assert.equal(claimOf("c", "w", null).verdict, "not measured");
  assert.equal(of(0.1, Number.NaN, Number.NaN).verdict, "not measured");
  assert.equal(claimOfAll("c", [], 0.1).verdict, "not measured");
});

test("the page: command, machine, date, findings and sections as they were given", () =>
  withScratch(async (folder) => {
    const section = await methods(folder, 0.5);
    const facts: Told = {
      shape: {
        ...{ models: "m", problems: 40, width: 4, lengths: [1472], full: true, immediate: null },
        only: ["methods"],
      },
      state: { version: 1, of: { calibration: 24 }, measured: {}, groups: {}, tokens: 5, seconds: 90 },
      needles: { folders: [], unrun: ["needles: UNRUN, as it is not there"] },
      ...{
        command: "hyperthink reproduce --seed 3",
        seed: 3,
        calibrationSeed: 33,
        machine: "2 cores",
        date: "2031-02-03",
      },
    };
    const page = pageOf([section], facts);
    for (const part of [
      "- Command: `hyperthink reproduce --seed 3`",
      "- Machine: 2 cores",
      "- Date: 2031-02-03; 1.5 minutes of runs",
      "40 problems of the task abacus (seed 3) x 4 chains, at most 1472 new tokens",
      "Calibrated on 24 other problems (seed 33)",
      "- needles: UNRUN, as it is not there",
      "| dms beats every method without training at an equal compression ratio (avg@1) | holds | Of 2,",
      "## Methods at one achieved compression ratio",
      "| h2o | h2o:budget=9 | 4.10 [4.10, 4.10] | 20.0 [",
      "![accuracy](results/methods-accuracy.svg)",
    ])
      assert.ok(page.includes(part), `${part}\n\n${page}`);
    assert.doesNotMatch(page, /undefined|NaN|\[object/);
  }));
