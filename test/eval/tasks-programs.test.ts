import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { makeTask } from "../../src/eval/tasks/index.ts";
import { equalKeys, type Item, type ItemOptions, type VoteTask, type Worth } from "../../src/eval/tasks/task.ts";
import { withFolder } from "../support/checkpoint.ts";
import { reply, scoreOf } from "../support/reply.ts";
import { anySandbox, noSandbox } from "../support/sandboxes.ts";

const vote = (spec: string) => makeTask(spec) as VoteTask;
const block = (code: string) => `So:\n\`\`\`python\n${code}\n\`\`\`\n`;

const twice = {
  task_id: "x/0",
  prompt: "def twice(n):\n    ''' n two times '''\n",
  entry_point: "twice",
  canonical_solution: "    return 2 * n\n",
  test: "def check(candidate):\n    assert candidate(4) == 8\n",
};
const cases = (...rows: [string, string][]) =>
  JSON.stringify(rows.map(([input, output]) => ({ input, output, testtype: "stdin" })));
const contest = (id: string, date: string, difficulty = "easy") => ({
  ...{ question_id: id, question_content: "Print a + b.", contest_date: date, difficulty, platform: "atcoder" },
  ...{ starter_code: "", metadata: "{}" },
  ...{ public_test_cases: cases(["1 2\n", "3\n"]), private_test_cases: cases(["5 6\n", "11\n"]) },
});
const parquet = new URL("./parquet/humaneval.parquet", import.meta.url);
const jsonl = (...rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

describe("tasks of programs", { skip: noSandbox }, () => {
  test("humaneval: asked in either style, programs run, one right chain is enough", () =>
    withFolder({ "HumanEval.jsonl": jsonl(twice, { ...twice, task_id: "x/1" }) }, async (data) => {
      const task = vote("humaneval");
      assert.equal(task.by, "pass");
      assert.equal((await task.items({ data, count: 1 })).length, 1);
      const [item] = await task.items({ data });
      assert.match(task.ask(item, "chat").prompt as string, /^Please provide a self-contained Python script/);
      assert.deepEqual(task.ask(item, "text").prompt, { raw: twice.prompt });
      assert.equal(await scoreOf(task, item, block("def twice(n):\n    return n + n")), 1);
      assert.equal(await scoreOf(task, item, block("def twice(n):\n    return n + 1")), 0);
      assert.equal(await scoreOf(task, item, "    return n * 2\n", { style: "text" }), 1);
      assert.equal(await scoreOf(task, item, "I cannot."), null);
      const thinking = { thinking: { open: "<think>", close: "</think>" }, opened: true };
      assert.equal(await scoreOf(task, item, block("def twice(n):\n    return n + n"), thinking), null);
    }));

  test("a grade says what was found of a program, a task on what programs run; a signal ends one", () =>
    withFolder({ "HumanEval.jsonl": jsonl(twice) }, async (data) => {
      const task = vote("humaneval");
      const { isolation, ownUid, python } = anySandbox!;
      assert.deepEqual(Object.keys((await task.runsOn!()) ?? {}), ["isolation", "ownUid", "python"]);
      assert.equal((await task.runsOn!()).python, python);
      assert.ok(typeof ownUid === "boolean" && isolation);
      const [item] = await task.items({ data });
      const grade = (code: string, signal?: AbortSignal) => {
        const answer = task.extract(item, reply(block(code)));
        assert.ok(answer.kind === "answer");
        return task.grade(item, answer, equalKeys, { signal });
      };
      assert.deepEqual(await grade("def twice(n):\n    return 2 * n"), {
        score: 1,
        judged: { verdict: "passed", detail: "" },
      });
      const { judged } = (await grade("def twice(n):\n    return 1 / 0")) as Worth;
      assert.deepEqual(judged, { verdict: "error", detail: "ZeroDivisionError: division by zero" });
      assert.deepEqual(await grade("import os\ndef twice(n):\n    os.kill(os.getppid(), 9)"), {
        score: 0,
        judged: { verdict: "ended", detail: "the judge was ended: killed" },
        failed: "the judge was ended: killed",
      });
      const over = new AbortController();
      setTimeout(() => over.abort(), 300);
      await assert.rejects(grade("import time\ndef twice(n):\n    time.sleep(60)", over.signal), { code: "aborted" });
    }));

  test("equal programs share a key, others do not", () =>
    withFolder({ "HumanEval.jsonl": jsonl(twice) }, async (data) => {
      const task = vote("humaneval");
      const [item] = await task.items({ data });
      const key = (code: string) => (task.extract(item, reply(block(code))) as { key: string }).key;
      assert.equal(key("def twice(n): return n * 2"), key("def twice(n): return n * 2"));
      assert.notEqual(key("def twice(n): return n * 2"), key("def twice(n): return n * 2 "));
    }));

  test("livecodebench: a window of dates, all tests", () =>
    withFolder(
      { "test.jsonl": jsonl(contest("a", "2024-07-01T00:00:00"), contest("b", "2024-08-03T00:00:00", "hard")) },
      async (data) => {
        const all = await vote("livecodebench").items({ data });
        assert.deepEqual(
          all.map(({ id, group }) => [id, group]),
          [
            ["a", "easy"],
            ["b", "hard"],
          ],
        );
        const task = vote("livecodebench:from=20240801");
        const items = await task.items({ data });
        assert.deepEqual(
          items.map(({ id }) => id),
          ["b"],
        );
        const [{ role }, question] = task.ask(items[0], "chat").prompt as { role: string; content: string }[];
        assert.equal(role, "system");
        assert.match(question.content, /Print a \+ b\./);
        assert.equal(await scoreOf(task, items[0], block("print(sum(map(int, input().split())))")), 1);
        assert.equal(await scoreOf(task, items[0], block("print(3)")), 0);
        await assert.rejects(vote("livecodebench:to=20240601").items({ data }), {
          code: "bad-argument",
          message: /has no problem of 19000101 to 20240601: name other dates/,
        });
        assert.equal((await vote("livecodebench").items({ data, count: 1 })).length, 1);
      },
    ));

  test("livecodebench: tests that are none are refused by line before anything is asked, of chosen problems alone", async () => {
    const bad = (id: string, other: object) =>
      jsonl(contest("a", "2024-07-01"), { ...contest(id, "2024-08-01"), ...other });
    const refused = (text: string, message: RegExp) =>
      withFolder({ "test.jsonl": text }, async (data) => {
        await assert.rejects(vote("livecodebench").items({ data }), { code: "bad-file", message });
        const [one, ...others] = await vote("livecodebench:to=20240731").items({ data });
        assert.deepEqual([one.id, others], ["a", []]);
      });
    const where = /test\.jsonl: line 2: /.source;
    await Promise.all([
      refused(
        bad("b", { private_test_cases: "?" }),
        new RegExp(`${where}private tests of b: expected JSON, or base64`),
      ),
      refused(bad("b", { public_test_cases: "{" }), new RegExp(`${where}public tests of b: expected JSON`)),
      refused(bad("b", { metadata: '{"func_name": "a b"}' }), new RegExp(`${where}tests of b: func_name`)),
    ]);
  });

  test("livecodebench: all parts of a folder, or of the Hub's cache; a file that is named is alone", () => {
    const parts = {
      "test2.jsonl": jsonl(contest("b", "2024-07-02")),
      "test10.jsonl": jsonl(contest("c", "2024-07-03")),
      "test.jsonl": jsonl(contest("a", "2024-07-01")),
      "test.json": "no part",
    };
    const ids = async (options: ItemOptions) => (await vote("livecodebench").items(options)).map(({ id }) => id);
    return withFolder(parts, async (data) => {
      assert.deepEqual(await ids({ data }), ["a", "b", "c"]);
      assert.deepEqual(await ids({ data: join(data, "test2.jsonl") }), ["b"]);
      rmSync(join(data, "test.jsonl"));
      assert.deepEqual(await ids({ data }), ["b", "c"]);
      const snapshots = join(data, "hub/datasets--livecodebench--code_generation_lite/snapshots");
      mkdirSync(join(snapshots, "1"), { recursive: true });
      for (const name of ["test2.jsonl", "test10.jsonl"]) cpSync(join(data, name), join(snapshots, "1", name));
      assert.deepEqual(await ids({ hub: join(data, "hub") }), ["b", "c"]);
    });
  });

  test("humaneval from the Hub's cache, under either of its names", () =>
    withFolder({}, async (hub) => {
      const ids = async () => (await vote("humaneval").items({ hub })).map(({ id }) => id);
      await assert.rejects(ids(), {
        code: "bad-file",
        message: /does not hold openai\/openai_humaneval or openai_human/,
      });
      for (const name of ["openai_humaneval", "openai--openai_humaneval"]) {
        const folder = join(hub, `datasets--${name}/snapshots/1/openai_humaneval`);
        mkdirSync(folder, { recursive: true });
        cpSync(parquet, join(folder, "test-00000-of-00001.parquet"));
        assert.deepEqual(await ids(), ["x/0", "x/1"]);
        rmSync(join(hub, `datasets--${name}`), { recursive: true });
      }
      const [item] = await vote("humaneval").items({ data: fileURLToPath(parquet) });
      assert.equal(await scoreOf(vote("humaneval"), item, block("def twice(n):\n    return n + n")), 1);
    }));

  test("livecodebench: tests in files of their own must be there before anything is asked", () => {
    const tests = JSON.stringify({ input_output: '{"inputs": ["1"], "outputs": ["1"], "fn_name": null}' });
    const place = { fname: "0.json", md5: createHash("md5").update(tests).digest("hex") };
    const row = { question_id: "q", contest_date: "2024-08-03", prompt: "Echo.", tests: place };
    return withFolder({ "test.jsonl": jsonl(row) }, async (data) => {
      await assert.rejects(vote("livecodebench").items({ data }), { code: "bad-file", message: /tests of q/ });
      await withFolder({ "test.jsonl": jsonl(row), "0.json": tests }, async (both) => {
        const [item] = await vote("livecodebench").items({ data: join(both, "test.jsonl") });
        assert.equal(await scoreOf(vote("livecodebench"), item, block("print(input())")), 1);
      });
    });
  });

  const bench = fileURLToPath(new URL("../../../shared/data/bench", import.meta.url));
  test("the published HumanEval", { skip: existsSync(bench) ? false : "UNRUN: no shared data" }, async () => {
    const task = vote("humaneval");
    const items = (await task.items({ data: bench })) as (Item & { gold: string })[];
    assert.equal(items.length, 164);
    for (const item of items.slice(0, 3))
      assert.equal(await scoreOf(task, item, item.gold, { style: "text" }), 1, item.id);
  });
});
