// What a report says, against numbers made by hand and against the metrics it is made of.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import type { RecordedChain, RecordedSetting } from "../../src/eval/harness/record.ts";
import type { ProblemChains } from "../../src/eval/metrics/chain.ts";
import { frontierGap, pointOf } from "../../src/eval/metrics/frontier.ts";
import { pairedBootstrap } from "../../src/eval/metrics/interval.ts";
import { linesOf, runOf } from "../../src/eval/report/lines.ts";
import { widthsOf } from "../../src/eval/report/points.ts";
import { makeReport, type Report, type ReportOptions } from "../../src/eval/report/report.ts";
import { csvOf } from "../../src/eval/report/table.ts";
import { tablesOf } from "../../src/eval/report/tables.ts";
import { type Made, recordFiles, setting, withScratch, writeRecord } from "../support/made-record.ts";
import { row } from "../support/rows.ts";

async function report(made: Made, options: ReportOptions = {}): Promise<Report> {
  let result: Report;
  await withScratch(async (folder) => {
    writeRecord(folder, recordFiles(made));
    result = await makeReport([folder], options);
  });
  return result!;
}

const near = (a: number, b: number, tolerance = 1e-12) => assert.ok(Math.abs(a - b) <= tolerance, `${a} against ${b}`);
const full = setting("full", 1024, 4, 1);
const dms = setting("dms", 1024, 4, 4);

test("numbers of a setting, by hand", async () => {
  // Problem 0: right, right, wrong, silent. Problem 1: all right; its chain 3 was cut off and loops.
  const keys = [
    ["1", "1", "2", null],
    ["1", "1", "1", "1"],
  ];
  const { tasks } = await report({
    problems: 2,
    settings: [full],
    chain: (p, _, c) => ({
      key: keys[p][c],
      tokens: 10 * (c + 1),
      reads: 100,
      fullReads: 150 + 100 * p,
      ...(p === 1 && c === 3 ? { end: "truncated", loop: { period: 2, length: 64 } } : {}),
    }),
  });
  const [{ settings, problems, kind, notes }] = tasks;
  assert.deepEqual(problems, { asked: 2, compared: 2, unfinished: 0, faulty: 0 });
  assert.equal(kind, "vote");
  assert.deepEqual(notes, []);
  const [s] = settings;
  near(s.average.mean, 0.75);
  assert.deepEqual(
    s.widths.map(({ width }) => width),
    [1, 2, 4],
  );
  // Pairs of problem 0: 01 02 03 12 13 are the right one's, 23 is not.
  near(s.widths[1].accuracy.mean, (5 / 6 + 1) / 2);
  near(s.widths[2].accuracy.mean, 1);
  near(s.widths[2].costs.reads.mean, 400);
  near(s.widths[1].costs.tokens.mean, 50);
  near(s.widths[2].costs.peakKeys.mean, 10 + 4 * 40);
  near(s.achieved.mean, (4 * 150 + 4 * 250) / 800);
  assert.equal(s.chains, 8);
  assert.deepEqual(
    [s.abstained, s.truncated, s.failed, s.looped].map(({ chains }) => chains),
    [1, 1, 0, 1],
  );
  near(s.abstained.share.mean, 1 / 8);
  assert.deepEqual([s.tokens.p10, s.tokens.median, s.tokens.most], [10, 20, 40]);
  near(s.tokens.mean.mean, 25);
  assert.equal(s.difference, null);
  assert.equal(s.line, "full");
  assert.deepEqual(
    [1, 2, 3, 5, 8, 12].map((w) => widthsOf(w).join(" ")),
    ["1", "1 2", "1 2 3", "1 2 4 5", "1 2 4 8", "1 2 4 8 12"],
  );
});

/** Chains that are right by chance, more often for some problems, cheaper where the cache is smaller. */
function drawn(p: number, s: RecordedSetting, c: number, chance: number): Partial<RecordedChain> {
  const rng = seeded(p * 64 + c, s.length, s.cr + 100 * s.policy.length);
  const right = rng.next() < chance * 2 * seeded(p, 7).next();
  const tokens = Math.round(s.length * (0.2 + 0.8 * rng.next()));
  const reads = (tokens * 300) / s.cr;
  return { key: right ? "1" : String(2 + rng.below(5)), tokens, reads, fullReads: tokens * 300 };
}

test("differences are paired with the full cache of the same length and width, or with what is named", async () => {
  const longer = setting("full", 2048, 4, 1);
  const other = setting("dms", 4096, 4, 4);
  const made: Made = { problems: 9, settings: [full, longer, dms, other], chain: (p, s, c) => drawn(p, s, c, 0.5) };
  const [{ settings, gaps, notes }] = (await report(made)).tasks;
  assert.deepEqual(
    settings.map(({ difference }) => difference?.baseline ?? null),
    [null, null, full.id, null],
  );
  assert.deepEqual(notes, []);
  const scores = (s: RecordedSetting) =>
    Array.from({ length: 9 }, (_, p) => [0, 1, 2, 3].filter((c) => drawn(p, s, c, 0.5).key === "1").length / 4);
  const { average, width } = settings[2].difference!;
  assert.deepEqual(average, pairedBootstrap(scores(full), scores(dms)));
  assert.equal(width, 4);
  assert.deepEqual([...new Set(gaps.map(({ from, to }) => `${to} less ${from}`))], ["dms less full"]);
  const named = await report(made, { baseline: longer.id });
  assert.deepEqual(
    named.tasks[0].settings.map(({ difference }) => difference?.baseline ?? null),
    [longer.id, null, longer.id, longer.id],
  );
  assert.equal(named.baseline, longer.id);
  const without = await report({ ...made, settings: [dms, other] });
  assert.match(without.tasks[0].notes.join(), /no differences: no setting has a baseline here/);
  assert.deepEqual(without.tasks[0].gaps, []);
  await assert.rejects(report(made, { baseline: "x" }), { code: "bad-argument", message: /no setting "x"/ });
  await assert.rejects(report(made, { settings: [dms.id], baseline: full.id }), {
    code: "bad-argument",
    message: /is not among the settings to compare/,
  });
  const some = await report(made, { settings: [full.id, dms.id] });
  assert.deepEqual(
    some.tasks[0].settings.map(({ id }) => id),
    [full.id, dms.id],
  );
});

test("the gap of two lines is that of their grids", async () => {
  const settings = [full, setting("full", 2048, 4, 1), dms, setting("dms", 2048, 4, 4)];
  const [{ gaps, frontiers }] = (await report({ problems: 20, settings, chain: (p, s, c) => drawn(p, s, c, 0.5) }))
    .tasks;
  const points = (policy: string) =>
    settings
      .filter((s) => s.policy === policy)
      .flatMap((s) => {
        const chains = Array.from(
          { length: 20 },
          (_, p): ProblemChains => ({
            problem: `p${p}`,
            chains: [0, 1, 2, 3].map((c) => row(`p${p}`, c, drawn(p, s, c, 0.5).key!, drawn(p, s, c, 0.5))),
          }),
        );
        return [1, 2, 4].map((w) => pointOf(chains, { ...s, width: w }, "reads"));
      });
  const found = gaps.find(({ budget }) => budget === "reads")!;
  assert.deepEqual(found.gap, frontierGap(points("full"), points("dms")));
  assert.deepEqual(found.points, [6, 6]);
  assert.ok(frontiers.every(({ steps }) => steps.every((s, i) => i === 0 || s.accuracy > steps[i - 1].accuracy)));
});

test("width, depth and mixed: mixed is nowhere below the others", async () => {
  const settings = [96, 192, 440].map((length) => setting("full", length, 8, 1));
  const chance: Record<number, number> = { 96: 0.2, 192: 0.5, 440: 0.6 };
  const [{ equalCosts, gaps }] = (
    await report({ problems: 25, settings, chain: (p, s, c) => drawn(p, s, c, chance[s.length]) })
  ).tasks;
  assert.deepEqual(gaps, []);
  assert.deepEqual(
    equalCosts.map(({ budget }) => budget),
    ["reads", "tokens", "peakKeys", "peakBytes"],
  );
  const { ways, mixed, budgets, depthOverWidth } = equalCosts[0];
  assert.deepEqual(
    ways.map(({ kind, length }) => `${kind} ${length}`),
    ["width 96", "width 192", "width 440", "depth null"],
  );
  assert.deepEqual(
    ways.map(({ points }) => points.length),
    [4, 4, 4, 3],
  );
  for (const [b] of budgets.entries()) {
    const best = Math.max(...ways.flatMap(({ accuracy }) => accuracy[b]?.mean ?? []));
    assert.ok(mixed.accuracy[b]!.mean >= best, `${mixed.accuracy[b]!.mean} against ${best}`);
    for (const found of [...ways.map(({ accuracy }) => accuracy[b]), mixed.accuracy[b]])
      if (found) assert.ok(found.low <= found.mean && found.mean <= found.high, JSON.stringify(found));
  }
  assert.ok(depthOverWidth!.mean > 0.05);
  assert.deepEqual((await report({ problems: 3, settings: [full], chain: () => ({}) })).tasks[0].equalCosts, []);
});

test("unfinished: only problems that all settings have are compared, and what is left out is told", async () => {
  const made: Made = {
    problems: 10,
    settings: [full, dms, setting("tova", 1024, 4, 4), setting("h2o", 1024, 4, 4)],
    chain(p, { policy }, c) {
      if (policy === "dms" && p >= 6 && c === 3) return null;
      if (policy === "h2o" && c === 3) return null; // no problem is whole
      return policy === "tova" ? null : {};
    },
  };
  const [{ problems, settings, notes }] = (await report(made)).tasks;
  assert.deepEqual(problems, { asked: 10, compared: 6, unfinished: 4, faulty: 0 });
  assert.deepEqual(
    settings.map(({ id, chains }) => [id, chains]),
    [
      [full.id, 24],
      [dms.id, 24],
    ],
  );
  assert.match(notes[0], /no chains of tova 1k-4-4/);
  assert.match(notes[1], /h2o 1k-4-4 is left out: it has no problem with all of its chains yet/);
  await assert.rejects(report({ ...made, chain: (_, __, c) => (c === 0 ? {} : null) }), {
    code: "bad-file",
    message: /nothing to report yet: no problem of sums is complete in all settings/,
  });
});

test("chains that cannot be counted leave their problem out everywhere, and are named", async () => {
  const made: Made = { problems: 5, settings: [full, dms], chain: () => ({}) };
  await withScratch(async (folder) => {
    const files = recordFiles(made);
    const lines = files["chains.jsonl"].trimEnd().split("\n");
    const wrong = JSON.stringify({ ...JSON.parse(lines.at(-1)!), chain: 9 });
    const silent = lines.map((line, i) => (i === 4 ? line.replace('"score":1', '"score":2') : line));
    writeRecord(folder, { ...files, "chains.jsonl": [...silent, lines[0], wrong].join("\n") });
    const [{ problems, notes }] = (await makeReport([folder])).tasks;
    // Twice: chain 0 of p0. A score beyond 1: p1. A chain too many: p4.
    assert.deepEqual(problems, { asked: 5, compared: 2, unfinished: 0, faulty: 3 });
    assert.match(
      notes[0],
      /^full 1k-4-1: problem p0, chain 0: it is there twice; problem p1, chain 0: score: expected/,
    );
    assert.match(notes[1], /^dms 1k-4-4: problem p4, chain 9: a problem has chains 0 to 3$/);
  });
});

test("tasks whose answers can be checked count pass@k; groups stand apart", async () => {
  const [{ settings, groups }] = (
    await report({
      problems: 2,
      settings: [full],
      tasks: [
        {
          kind: "pass",
          problems: [
            { id: "p0", group: "10 steps" },
            { id: "p1", group: "9 steps" },
          ],
        },
      ],
      chain: (p, _, c) => ({ key: p === 0 && c > 0 ? "2" : "1" }),
    })
  ).tasks;
  near(settings[0].widths[0].accuracy.mean, (1 / 4 + 1) / 2);
  near(settings[0].widths[1].accuracy.mean, (1 / 2 + 1) / 2); // a pair holds the one right chain in 3 of 6
  near(settings[0].widths[2].accuracy.mean, 1);
  assert.deepEqual(
    groups.map(({ group, problems, average }) => [group, problems, average[0].average.mean]),
    [
      ["9 steps", 1, 1],
      ["10 steps", 1, 0.25],
    ],
  );
});

test("values: one line a problem whatever the width; of texts exp of the mean loss", async () => {
  const scores: Record<string, number[]> = { full: [0.5, 0.25], dms: [0.25, 0.125] };
  const made: Made = {
    problems: 2,
    settings: [full, dms],
    tasks: [{ kind: "value", measure: "perplexity" }],
    chain: (p, { policy }, c) => (c > 0 ? null : { key: String(p), score: scores[policy][p], peakBytes: 0 }),
  };
  const [{ settings, frontiers, equalCosts, notes }] = (await report(made)).tasks;
  near(settings[0].average.mean, Math.sqrt(8));
  near(settings[1].average.mean, Math.sqrt(32));
  near(settings[1].difference!.average.mean, Math.log(2));
  assert.deepEqual([frontiers, equalCosts, notes], [[], [], []]);
  const [choices] = (await report({ ...made, tasks: [{ kind: "value" }] })).tasks;
  near(choices.settings[0].average.mean, 0.375);
  // A window that failed has no perplexity: it is left out everywhere and named, and no number is infinite.
  const failed = { key: null, score: 0, end: "failed", reads: 0, fullReads: 0, tokens: 0 } as const;
  const fails = (p: number, { policy }: RecordedSetting) => p === 0 && policy === "dms";
  const some = await report({
    ...made,
    chain: (p, s, c) => (c === 0 && fails(p, s) ? { ...failed } : made.chain(p, s, c, "")),
  });
  const [left] = some.tasks;
  assert.deepEqual(left.problems, { asked: 2, compared: 1, unfinished: 0, faulty: 1 });
  near(left.settings[0].average.mean, 4);
  near(left.settings[1].average.mean, 8);
  assert.match(left.notes.join(), /dms 1k-4-4: problem p0, chain 0: it failed, and has no perplexity/);
  assert.doesNotMatch(JSON.stringify(some), /null,"low"|"mean":null/);
  await assert.rejects(report({ ...made, chain: (_, __, c) => (c > 0 ? null : { ...failed }) }), {
    code: "bad-file",
    message: /no problem of sums is complete in all settings\..*p0, chain 0: it failed, and has no perplexity/,
  });
});

test("merged spellings and lenient grades are counted and listed", async () => {
  const merged = { key: "2/4", spelling: "2/4", other: "=1/2", by: "form", why: "the same parts" };
  const graded = { gold: "0.5", answer: "50%", by: "form", why: "one key; lenient: a percentage" };
  const exact = { ...graded, why: "the same parts" };
  const chain = (p: number, _: RecordedSetting, c: number) => ({
    ...(c > 1 && p === 0 ? { merged } : {}),
    ...(p === 1 ? { graded: c === 0 ? graded : exact } : {}),
  });
  const made = await report({ problems: 2, settings: [full], chain });
  const [task] = made.tasks;
  assert.deepEqual([task.settings[0].merged, task.settings[0].lenient], [2, 1]);
  assert.deepEqual(
    task.ties.map(({ problem, chains, spelling }) => [problem, chains, spelling]),
    [["p0", [2, 3], "2/4"]],
  );
  assert.deepEqual(
    task.grades.map(({ problem, chains }) => [problem, chains]),
    [
      ["p1", [0]],
      ["p1", [1, 2, 3]],
    ],
  );
  const tables = tablesOf(task);
  const csv = (name: string) => csvOf([{ task: "t", table: tables.find((table) => table.name === name)! }]);
  assert.match(csv("merges"), /^t,full 1k-4-1,p0,2\/4,'=1\/2,form,the same parts,2 3\r$/m);
  assert.match(csv("grades"), /^t,full 1k-4-1,p1,0\.5,50%,1,yes,form,one key; lenient: a percentage,0\r$/m);
  assert.match(csv("chains"), /,merged,lenient,/);
});

test("budgets that a record does not tell of have no frontier; failures without cost break no interval", async () => {
  const made: Made = { problems: 4, settings: [full, dms], chain: (p, s, c) => drawn(p, s, c, 0.5) };
  const bytes = await report({ ...made, chain: (p, s, c) => ({ ...made.chain(p, s, c, ""), ...NO_BYTES }) });
  assert.match(bytes.tasks[0].notes.join(), /peakBytes: the record tells of none/);
  assert.ok(!bytes.tasks[0].frontiers.some(({ budget }) => budget === "peakBytes"));
  assert.ok(bytes.tasks[0].frontiers.some(({ budget }) => budget === "reads"));
  const failed = { key: null, score: 0, end: "failed", reads: 0, fullReads: 0, tokens: 0 } as const;
  const broken = await report({ ...made, chain: (p, s, c) => (p < 3 ? { ...failed } : made.chain(p, s, c, "")) });
  const gap = broken.tasks[0].gaps.find(({ budget }) => budget === "reads")!;
  if (gap.gap) assert.ok(gap.gap.undefinedDraws > 0); // draws of failed problems alone
  assert.equal(broken.tasks[0].frontiers[0].failed, 12);
});

const NO_BYTES = { peakBytes: 0, prompt: { tokens: 10, keys: 10, bytes: 0, peakKeys: 10, peakBytes: 0 } };

test("frontiers without a budget in common have no gap", async () => {
  const far = ({ policy }: RecordedSetting) => (policy === "full" ? 1e6 : 1);
  const [{ gaps }] = (
    await report({
      problems: 6,
      settings: [full, dms],
      chain: (p, s, c) => ({ ...drawn(p, s, c, 0.5), reads: far(s) * (1 + c), fullReads: 1e7 }),
    })
  ).tasks;
  assert.equal(gaps.find(({ budget }) => budget === "reads")!.gap, null);
  assert.ok(gaps.find(({ budget }) => budget === "tokens")!.gap);
});

test("lines: a policy whatever keeps its size; models apart where they ran the same", () => {
  const settings = [
    setting("full", 1024, 4, 1, "base"),
    setting("dms", 1024, 4, 2, "dms2"),
    setting("dms", 1024, 4, 4, "dms4"),
    { ...setting("snapkv:budget=64,window=8", 1024, 4, 1, "base"), id: "a" },
    { ...setting("snapkv:window=8", 1024, 4, 4, "base"), id: "b" },
  ];
  assert.deepEqual([...linesOf(settings).values()], ["full", "dms", "dms", "snapkv:window=8", "snapkv:window=8"]);
  const both = [...settings, { ...setting("full", 1024, 4, 1, "large"), id: "c" }];
  assert.deepEqual(
    [...linesOf(both).values()],
    ["full, base", "full, large", "dms", "dms", "snapkv:window=8", "snapkv:window=8"],
  );
  assert.equal(new Set(linesOf(both, "policy").values()).size, 3);
  assert.equal(linesOf(settings, "model").get("dms 1k-4-2"), "dms, dms2");
  assert.deepEqual(
    settings.map((each) => runOf(each, 2)),
    ["1k-2-1", "1k-2-2", "1k-2-4", "1k-2 budget=64", "1k-2-4"],
  );
});
