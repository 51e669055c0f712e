// `hyperthink report` as a user runs it, over an evaluation that was really run.
import assert from "node:assert/strict";
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cpuAvailable } from "../../src/device/cpu.ts";
import { evaluate } from "../../src/eval/harness/evaluate.ts";
import { openTask } from "../../src/eval/tasks/open.ts";
import { scalingBudgets } from "../../src/scale/budget.ts";
import { recordFiles, setting, withScratch, writeRecord } from "../support/made-record.ts";
import { program } from "../support/program.ts";

const unrun = cpuAvailable();
const at = (name: string) => ({
  path: fileURLToPath(new URL(`../../models/${name}`, import.meta.url)),
  adapters: [],
});

test("an evaluation of beads: tables and figures", { skip: unrun ? `UNRUN: ${unrun}` : false }, () =>
  withScratch(async (folder) => {
    const [beads, out] = [join(folder, "beads"), join(folder, "out")];
    const spec = "beads:low=2,high=4,distractors=2";
    await evaluate({
      ...{ out: beads, tasks: [{ spec, task: await openTask(spec) }], limit: 8, seed: 3 },
      load: { device: "cpu", threads: 1, kvMemory: 64 << 20 },
      settings: [
        { name: "full", model: at("beads"), policy: "full", budgets: scalingBudgets("100-4-1,440-4-1") },
        { name: "dms", model: at("beads-dms-full-4x"), policy: "dms", budgets: scalingBudgets("100-4-4,440-4-4") },
      ],
    });
    const { code, out: text, err } = program(["report", beads, "--out", out]);
    assert.equal(code, 0, err);
    assert.match(text, /^beads:low=2,high=4,distractors=2: 8 problems, 4 settings\.\n/);
    assert.match(text, /\nfull 440-4-1 +\d/);
    assert.match(text, /\nMean gap between frontiers \(points\)\n/);
    assert.match(err, /note: \d+ files in .*out, report\.html among them/);
    const figures = readdirSync(join(out, "figures"));
    for (const name of ["frontier-reads", "frontier-peakBytes", "width-depth", "ratio", "ratio-vote", "lengths"])
      for (const form of ["svg", "png"])
        assert.ok(figures.includes(`beads-low-2-high-4-distractors-2.${name}.${form}`));
    const { tasks } = JSON.parse(program(["report", beads, "--json"]).out);
    assert.deepEqual(tasks, JSON.parse(readFileSync(join(out, "report.json"), "utf8")).tasks);
    const [full, dms] = ["full 440-4-1", "dms 440-4-4"].map((name) =>
      tasks[0].settings.find(({ id }: { id: string }) => id === name),
    );
    assert.equal(full.achieved.mean, 1);
    assert.ok(dms.achieved.mean > 2, `${dms.achieved.mean}`);
    assert.ok(full.average.mean > 0.6 && dms.average.mean > 0.5, `${full.average.mean} ${dms.average.mean}`);
    assert.ok(dms.widths[2].costs.reads.mean < full.widths[2].costs.reads.mean / 2);
    const reads = tasks[0].gaps.filter(({ budget }: { budget: string }) => budget === "reads");
    assert.deepEqual([reads.length, reads[0].from, reads[0].to, reads[0].points], [1, "full", "dms", [6, 6]]);
  }),
);

test("settings, baselines and lines that are named; what is torn or left out is told", () =>
  withScratch(async (folder) => {
    const settings = [setting("full", 1024, 2, 1), setting("dms", 1024, 2, 4), setting("h2o", 1024, 2, 4)];
    const made = { problems: 4, settings, chain: (p: number) => (p === 3 ? null : { key: String(1 + (p % 2)) }) };
    writeRecord(folder, recordFiles(made));
    appendFileSync(join(folder, "chains.jsonl"), '{"task":');
    const all = program([
      "report",
      folder,
      "--baseline",
      "h2o 1k-2-4",
      "--setting",
      "h2o 1k-2-4",
      "--setting",
      "dms 1k-2-4",
    ]);
    assert.equal(all.code, 0, all.err);
    assert.match(all.out, /3 of 4 problems, 2 settings, left out: 1 not complete in every setting\./);
    assert.doesNotMatch(all.out, /full/);
    assert.match(all.err, /its last line, 19, is torn: passed over/);
    assert.match(program(["report", folder, "--lines", "model"]).out, /\ndms, m +full, m /);
  }));

test("what is wrong is one line, and an exit code", () =>
  withScratch(async (folder) => {
    writeRecord(folder, recordFiles({ problems: 2, settings: [setting("full", 1024, 1, 1)], chain: () => ({}) }));
    const file = join(folder, "file");
    writeFileSync(file, "");
    const cases: [string[], number, RegExp][] = [
      [[], 2, /missing required argument 'dir'/],
      [[join(folder, "nowhere")], 1, /run\.json: no such file; expected a folder that an evaluation has written/],
      [[folder, "--baseline", "x"], 2, /no setting "x": expected one of full 1k-1-1/],
      [[folder, "--setting", "x"], 2, /no setting "x"/],
      [[folder, "--lines", "x"], 2, /policy or model/],
      [[folder, folder], 2, /expected each folder once/],
      [[folder, "--out", file], 2, /cannot be written/],
    ];
    for (const [args, code, message] of cases) {
      const result = program(["report", ...args]);
      assert.equal(result.code, code, `${args}: ${result.err}`);
      assert.match(result.err, message);
      assert.equal(result.out, "");
      assert.doesNotMatch(result.err, /^\s+at /m);
    }
  }));
