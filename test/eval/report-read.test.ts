// Records as anyone's files: what is read, passed over and refused.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { htmlOf } from "../../src/eval/report/html.ts";
import { markdownReport } from "../../src/eval/report/markdown.ts";
import { mergeRecords } from "../../src/eval/report/merge.ts";
import { readRecord } from "../../src/eval/report/read.ts";
import { makeReport } from "../../src/eval/report/report.ts";
import { type Made, recordFiles, setting, withScratch, writeRecord } from "../support/made-record.ts";

const full = setting("full", 1024, 2, 1);
const made: Made = { problems: 3, settings: [full], chain: () => ({}) };
const files = recordFiles(made);
const head = JSON.parse(files["run.json"]);
const lines = files["chains.jsonl"].trimEnd().split("\n");

/** The files with other chains, or another head. */
const withChains = (chains: readonly string[]) => ({ ...files, "chains.jsonl": chains.join("\n") });
const withHead = (other: object) => ({ ...files, "run.json": JSON.stringify({ ...head, ...other }) });

test("chains come by task and setting, without their texts", () =>
  withScratch(async (folder) => {
    writeRecord(folder, files);
    const { head: read, chains, notes } = await readRecord(folder);
    assert.deepEqual(read, head);
    assert.deepEqual(notes, []);
    const rows = chains.get("sums")!.get(full.id)!;
    assert.equal(rows.length, 6);
    assert.deepEqual(Object.keys(rows[0]).includes("text"), false);
    assert.equal(rows[5].problem, "p2");
  }));

test("as many problems as a task may have", () =>
  withScratch(async (folder) => {
    const problems = Array.from({ length: 200_001 }, (_, i) => ({ id: `p${i}` }));
    writeRecord(folder, { ...files, "run.json": JSON.stringify({ ...head, tasks: [{ ...head.tasks[0], problems }] }) });
    assert.equal((await readRecord(folder)).head.tasks[0].problems.length, 200_001);
  }));

test("a torn last line is passed over and told; a file without chains, too", () =>
  withScratch(async (folder) => {
    writeRecord(folder, withChains([...lines, lines[0].slice(0, 40)]));
    const { chains, notes } = await readRecord(folder);
    assert.equal(chains.get("sums")!.get(full.id)!.length, 6);
    assert.equal(notes.length, 1);
    assert.match(notes[0], /last line, 7, is torn/);
    const empty = join(folder, "empty");
    writeRecord(empty, { "run.json": files["run.json"] });
    assert.match((await readRecord(empty)).notes[0], /chains\.jsonl is not there yet/);
    await assert.rejects(makeReport([empty]), { code: "bad-file", message: /nothing to report yet/ });
  }));

const chain = (other: object) => JSON.stringify({ ...JSON.parse(lines[0]), ...other });
const task = head.tasks[0];
const refused: [string, Record<string, string>, RegExp][] = [
  ["a damaged line in the middle", withChains([lines[0], "{", lines[1]]), /chains\.jsonl: line 2: expected JSON/],
  ["a number as text", withChains([chain({ reads: "9" }), lines[1]]), /line 1: reads: .*expected number/],
  ["a number that is none", withChains([lines[0].replace('"reads":1000', '"reads":1e999')]), /line 1: reads: /],
  ["no object", withChains([lines[0], "[]", lines[1]]), /line 2: .*expected object/],
  ["an end that is none", withChains([lines[0], chain({ end: "won" })]), /line 2: end: /],
  ["another record's setting", withChains([chain({ setting: "x\u001b" })]), /line 1: .*no setting "x\\u\{1b\}"/],
  ["another record's task", withChains([chain({ task: "x" })]), /line 1: .*no task "x"/],
  ["no head", { "chains.jsonl": "" }, /run\.json: no such file/],
  ["a head that is no JSON", { ...files, "run.json": "{" }, /run\.json: expected JSON/],
  ["another version", withHead({ version: 2 }), /run\.json: version: /],
  ["no settings", withHead({ settings: [] }), /run\.json: settings: /],
  ["a setting twice", withHead({ settings: [full, full] }), /settings: expected each once, got "full 1k-2-1" twice/],
  ["a task twice", withHead({ tasks: [task, task] }), /tasks: expected each once/],
  [
    "a problem twice",
    withHead({ tasks: [{ ...task, problems: [{ id: "a" }, { id: "a" }] }] }),
    /task "sums": expected each once, got "a" twice/,
  ],
  ["a setting without its model", withHead({ models: [] }), /no model "m"/],
  ["a width that is none", withHead({ settings: [{ ...full, width: 0 }] }), /settings\.0\.width: /],
  ["a width beyond measure", withHead({ settings: [{ ...full, width: 1e9 }] }), /settings\.0\.width: /],
  ["a ratio below 1", withHead({ settings: [{ ...full, cr: 0.5 }] }), /settings\.0\.cr: /],
];
for (const [name, wrong, message] of refused)
  test(`refused: ${name}`, () =>
    withScratch(async (folder) => {
      writeRecord(folder, wrong);
      await assert.rejects(readRecord(folder), { code: "bad-file", message });
    }));

test("refused: a folder in place of run.json", () =>
  withScratch(async (folder) => {
    mkdirSync(join(folder, "run.json"));
    await assert.rejects(readRecord(folder), { code: "bad-file" });
  }));

/** Recordings of these in folders a, b, .. */
const recordings = (...all: readonly Made[]) =>
  withRecordings(all, (read) => mergeRecords(read)) as Promise<ReturnType<typeof mergeRecords>>;

async function withRecordings<T>(
  all: readonly Made[],
  work: (read: Awaited<ReturnType<typeof readRecord>>[]) => T,
): Promise<T> {
  let result: T;
  await withScratch(async (folder) => {
    const read = [];
    for (const [i, one] of all.entries()) {
      writeRecord(join(folder, "ab"[i]), recordFiles(one));
      read.push(await readRecord(join(folder, "ab"[i])));
    }
    result = work(read);
  });
  return result!;
}

test("wall times of runs are told where a record has them", () =>
  withScratch(async (folder) => {
    writeRecord(join(folder, "a"), withHead({ seconds: 3900 }));
    writeRecord(join(folder, "b"), recordFiles({ ...made, tasks: [{ spec: "other", fingerprint: "other" }] }));
    const report = await makeReport([join(folder, "a"), join(folder, "b")]);
    assert.deepEqual(report.seconds, [3900, null]);
    for (const text of [htmlOf(report), markdownReport(report, () => "x").replaceAll("\\", "")])
      assert.match(text, /a ran for 1 h 5 min \(wall time/);
    assert.doesNotMatch(htmlOf(report), /b ran for/);
  }));

test("folders together: other settings and other tasks join", async () => {
  const both = await recordings(made, { ...made, settings: [setting("dms", 1024, 2, 4, "retrofit")] });
  assert.deepEqual(
    both.settings.map(({ id }) => id),
    ["full 1k-2-1", "dms 1k-2-4"],
  );
  assert.deepEqual(
    both.models.map(({ name }) => name),
    ["m", "retrofit"],
  );
  assert.equal(both.chains.get("sums")!.get("dms 1k-2-4")!.length, 6);
  const tasks = await recordings(made, { ...made, tasks: [{ spec: "other", fingerprint: "other" }] });
  assert.deepEqual(
    tasks.tasks.map(({ spec }) => spec),
    ["sums", "other"],
  );
  assert.deepEqual(
    tasks.settings.map(({ id }) => id),
    ["full 1k-2-1"],
  );
  assert.equal(tasks.chains.get("other")!.get("full 1k-2-1")!.length, 6);
  assert.deepEqual(both.notes, []);
});

test("folders together: one name for two models or settings gets its folder's", async () => {
  const other = { ...made, head: { models: [{ name: "m", path: "n", adapters: [], fingerprint: "of n" }] } };
  const both = await recordings(made, other);
  assert.deepEqual(
    both.models.map(({ name }) => name),
    ["m", "m @ b"],
  );
  assert.deepEqual(
    both.settings.map(({ id, model }) => [id, model]),
    [
      ["full 1k-2-1", "m"],
      ["full 1k-2-1 @ b", "m @ b"],
    ],
  );
  assert.equal(both.chains.get("sums")!.get("full 1k-2-1 @ b")!.length, 6);
});

test("folders together: depths and samplings of one setting stand beside each other", async () => {
  const ids = async (a: Partial<Made>, b: Partial<Made>) =>
    (await recordings({ ...made, ...a }, { ...made, ...b })).settings.map(({ id }) => id);
  const drawn = (sampling: Record<string, number | string | null>) => ({ head: { sampling } });
  const both = [full.id, `${full.id} @ b`];
  assert.deepEqual(await ids(drawn({ thinkMost: 500 }), drawn({ thinkMost: 1000 })), both);
  assert.deepEqual(await ids(drawn({ temperature: 1, stop: null }), drawn({ temperature: 0.6 })), both);
  const own = (depth: object) => ({ settings: [{ ...full, ...depth }] });
  assert.deepEqual(await ids(own({ thinkMost: 900 }), own({ thinkMost: 800 })), both);
  assert.deepEqual(await ids(own({}), own({ nudges: 1 })), both);
  // What an older record says nothing of is left to the task in a newer one.
  await assert.rejects(ids(drawn({ topP: 1, topK: null }), drawn({ topP: 1, later: null })), /expected it in one/);
});

test("each is compared with the full cache that thought as long", async () => {
  const dms = setting("dms", 1024, 2, 4);
  const deep = (thinkMost: number) => ({ ...made, settings: [full, dms], head: { sampling: { thinkMost } } });
  await withScratch(async (folder) => {
    const folders = [500, 900].map((most, i) => {
      writeRecord(join(folder, "ab"[i]), recordFiles(deep(most)));
      return join(folder, "ab"[i]);
    });
    const [{ settings }] = (await makeReport(folders)).tasks;
    assert.deepEqual(
      settings.map(({ id, difference }) => [id, difference?.baseline]),
      [
        [full.id, undefined],
        [dms.id, full.id],
        [`${full.id} @ b`, undefined],
        [`${dms.id} @ b`, `${full.id} @ b`],
      ],
    );
  });
});

test("folders together: other seeds, sampling or machines are told", async () => {
  const other = { ...made, settings: [setting("dms", 1024, 2, 4)], head: { sampling: { temperature: 0.6 }, seed: 1 } };
  const { notes } = await recordings(made, other);
  assert.equal(notes.length, 2);
  assert.match(notes[0], /b has another seed than .*a: 1, not 0/);
  assert.match(notes[1], /another sampling than .*"temperature":0.6\}, not \{"temperature":1\}/);
});

test("folders together: other code that grades is told", async () => {
  const by = (policy: string, code?: string) => ({
    ...made,
    settings: [setting(policy, 1024, 2, 1)],
    tasks: [{ code }],
  });
  assert.deepEqual((await recordings(by("full", "one"), by("dms", "one"))).notes, []);
  assert.deepEqual((await recordings(by("full"), by("dms", "one"))).notes, []);
  const { notes } = await recordings(by("full", "one"), by("dms", "two"));
  assert.match(notes.join(), /task "sums": other code in .*b than in .*a, which may grade otherwise: two, not one$/);
});

test("folders that contradict each other are refused by name", async () => {
  await assert.rejects(recordings(made, { ...made, tasks: [{ fingerprint: "others" }] }), {
    code: "bad-file",
    message: /task "sums": other problems in .*a than in .*b \(fingerprints 3 sums and others\)/,
  });
  await assert.rejects(recordings(made, { ...made, problems: 4, tasks: [{ fingerprint: "3 sums" }] }), {
    code: "bad-file",
    message: /other problems/,
  });
  await assert.rejects(recordings(made, made), {
    code: "bad-file",
    message: /setting "full 1k-2-1" on task "sums" is in .*a and in .*b: expected it in one/,
  });
  await assert.rejects(
    withScratch(async (folder) => {
      writeRecord(folder, files);
      await makeReport([folder, `${folder}/.`]);
    }),
    { code: "bad-argument", message: /expected each folder once/ },
  );
  await assert.rejects(makeReport([]), { code: "bad-argument" });
});
