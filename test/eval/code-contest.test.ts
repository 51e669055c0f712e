import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { deflateSync } from "node:zlib";
import {
  type ContestProblem,
  type ContestTests,
  checkContest,
  readLiveCodeBench,
  testsOf,
} from "../../src/eval/code/livecodebench.ts";
import { withFolder } from "../support/checkpoint.ts";
import { anySandbox, noSandbox } from "../support/sandboxes.ts";

/**
 * As the data set is published: tests are JSON in a string; private ones are a pickled string, compressed, in base64.
 */
const cases = (type: string, ...rows: [input: string, output: string][]) =>
  JSON.stringify(rows.map(([input, output]) => ({ input, output, testtype: type })));
function encoded(json: string): string {
  const text = Buffer.from(json);
  const head = Buffer.from([0x80, 4, 0x58, 0, 0, 0, 0]);
  head.writeUInt32LE(text.length, 3);
  return deflateSync(Buffer.concat([head, text, Buffer.from([0x94, 0x2e])])).toString("base64");
}
const row = {
  question_title: "Sum",
  question_content: "Print a + b.",
  platform: "atcoder",
  question_id: "abc000_a",
  contest_id: "abc000",
  contest_date: "2025-01-04T00:00:00",
  starter_code: "",
  difficulty: "easy",
  public_test_cases: cases("stdin", ["1 2\n", "3\n"]),
  private_test_cases: encoded(cases("stdin", ["5 6\n", "11\n"], ["-1 1\n", "0\n"])),
  metadata: "{}",
};
const functional = {
  ...row,
  question_id: "3000",
  platform: "leetcode",
  starter_code: "class Solution:\n    def twice(self, n: int) -> int:\n        ",
  public_test_cases: cases("functional", ["4", "8"]),
  private_test_cases: cases("functional", ["0", "0"]),
  metadata: '{"func_name": "twice"}',
};

const read = (content: string) =>
  withFolder({ "lcb.jsonl": content }, async (folder) => {
    const problems: ContestProblem[] = [];
    for await (const { problem } of readLiveCodeBench(join(folder, "lcb.jsonl"))) problems.push(problem);
    return problems;
  });

test("rows of the data set: the question in the harness's words, tests decoded when asked for", async () => {
  const [sum, twice] = await read(`${JSON.stringify(row)}\n${JSON.stringify(functional)}\n`);
  assert.deepEqual(
    [sum.id, sum.date, sum.platform, sum.difficulty],
    [row.question_id, row.contest_date, "atcoder", "easy"],
  );
  assert.match(
    sum.question,
    /^### Question:\nPrint a \+ b\.\n\n### Format: Read the inputs from stdin .*```python\n# YOUR/s,
  );
  assert.match(twice.question, /### Format: You will use the following starter .*def twice.*### Answer: \(use/s);
  assert.match(sum.system!, /^You are an expert Python programmer\./);
  assert.deepEqual(await testsOf(sum), {
    entry: null,
    tests: [
      { input: "1 2\n", output: "3\n" },
      { input: "5 6\n", output: "11\n" },
      { input: "-1 1\n", output: "0\n" },
    ],
  });
  assert.deepEqual(await testsOf(twice), {
    entry: "twice",
    tests: [
      { input: "4", output: "8" },
      { input: "0", output: "0" },
    ],
  });
});

test("rows whose tests are files, known by their hash", async () => {
  const tests = JSON.stringify({ input_output: '{"inputs": ["1"], "outputs": ["2"], "fn_name": null}' });
  const md5 = createHash("md5").update(tests).digest("hex");
  const short = { question_id: "q", contest_date: "2024-08-03", prompt: "Why?", tests: { fname: "0.json", md5 } };
  const [problem] = await read(JSON.stringify(short));
  assert.deepEqual([problem.question, problem.system], ["Why?", null]);
  await assert.rejects(testsOf(problem), { code: "bad-argument", message: /q lie in a file 0\.json: give the folder/ });
  await withFolder({ "0.json": tests }, async (folder) =>
    assert.deepEqual(await testsOf(problem, folder), { entry: null, tests: [{ input: "1", output: "2" }] }),
  );
  const bad = (files: Record<string, string>, message: RegExp, of = problem) =>
    withFolder(files, (folder) => assert.rejects(testsOf(of, folder), { code: "bad-file", message }));
  await bad({}, /0\.json: expected tests of q, got 0 bytes$/);
  await bad({ "0.json": `${tests} ` }, /expected tests with MD5 [0-9a-f]{32}, got [0-9a-f]{32}: get that file again$/);
  const uneven = '{"input_output": "{\\"inputs\\": [\\"1\\"], \\"outputs\\": []}"}';
  const place = { file: "0.json", md5: createHash("md5").update(uneven).digest("hex") };
  await bad({ "0.json": uneven }, /expected as many outputs as inputs, got 1 and 0$/, { ...problem, tests: place });
});

const shared = fileURLToPath(new URL("../../../shared/data/bench/livecodebench_v5_prompts.jsonl", import.meta.url));
test("the published prompts", { skip: existsSync(shared) ? false : "UNRUN: no shared data" }, async () => {
  const problems: ContestProblem[] = [];
  for await (const { problem } of readLiveCodeBench(shared)) problems.push(problem);
  assert.equal(problems.length, 279);
  assert.ok(problems.every(({ tests, question }) => "file" in tests && question.includes("```python")));
  assert.deepEqual(
    [problems[0].id, problems[0].tests],
    ["abc365_b", { file: "559.json", md5: "ec602b89c01ec3f677e0e2a7678f4024" }],
  );
});

test("what is something else is refused, by line and by problem", async () => {
  const refused = (content: string, message: RegExp) => assert.rejects(read(content), { code: "bad-file", message });
  await refused(`${JSON.stringify(row)}\n[]`, /line 2: expected a problem of LiveCodeBench: /);
  await refused(JSON.stringify({ ...row, metadata: 1 }), /line 1: metadata: /);
  await refused("{", /line 1: expected JSON/);
  const out = { question_id: "q", contest_date: "", prompt: "", tests: { fname: "../x", md5: "0".repeat(32) } };
  await refused(JSON.stringify(out), /line 1: question_content: /);
  await assert.rejects(
    async () => {
      for await (const _ of readLiveCodeBench("/nowhere/lcb.jsonl"));
    },
    { code: "bad-file", message: /nowhere\/lcb\.jsonl: cannot be read: ENOENT/ },
  );
  const [problem] = await read(JSON.stringify(functional));
  const bad = (tests: Partial<{ public: string; private: string; metadata: string }>, message: RegExp) =>
    assert.rejects(
      testsOf({
        ...problem,
        tests: { ...(problem.tests as { public: string; private: string; metadata: string }), ...tests },
      }),
      {
        code: "bad-file",
        message,
      },
    );
  await bad({ private: encoded("{") }, /^private tests of 3000: expected JSON/);
  await bad(
    { private: "eJwrSS0uAQAEXQHB" },
    /^private tests of 3000: expected JSON, or base64 of zlib of a pickled string: a pickle/,
  );
  await bad({ public: "[]", private: "[]" }, /^tests of 3000: expected at least one test$/);
  await bad({ public: '[{"input": "1", "output": "2", "testtype": "shell"}]' }, /^public tests of 3000: 0\.testtype: /);
  await bad({ public: cases("functional", ["4", "eight"]) }, /^tests of 3000: expected JSON/);
  await bad({ metadata: '{"func_name": "a; b"}' }, /^tests of 3000: func_name: /);
});

describe("LiveCodeBench's checks", { skip: noSandbox }, () => {
  const verdict = async (tests: ContestTests, program: string, options = {}) => {
    const { verdict, detail } = await checkContest(anySandbox!, tests, program, { seconds: 2, ...options });
    return `${verdict} ${detail}`.trim();
  };
  const sum: ContestTests = {
    entry: null,
    tests: [1, 2, 3].map((n) => ({ input: `${n} 2\n`, output: `${n + 2}\n` })),
  };
  const printing = (output: string) => ({ entry: null, tests: [{ input: "", output }] });

  test("programs: read, printed, as one would write them", async () => {
    for (const program of [
      "a, b = map(int, input().split())\nprint(a + b)",
      "import sys\nprint(sum(map(int, sys.stdin.read().split())))\nsys.exit(1)",
      "import os\nos.write(1, str(sum(map(int, os.read(0, 99).split()))).encode())",
      "print(sum(map(int, open(0).read().split())))",
      "print(reduce(add, map(int, stdin.readline().split())), heapq.nsmallest(1, [9]) and '')",
      "def main():\n    print(sum(map(int, input().split())))\nif __name__ == '__main__':\n    main()",
      "import threading\nthreading.Thread(target=lambda: print(sum(map(int, input().split())))).start()",
      "import atexit\ns = sum(map(int, input().split()))\natexit.register(lambda: print(s))",
      "import subprocess, sys\nn = sum(map(int, input().split()))\nsubprocess.run([sys.executable, '-c', f'print({n})'])",
    ])
      assert.equal(await verdict(sum, program), "passed", program);
  });

  test("programs: wrong, raising, slow, endless", async () => {
    assert.equal(await verdict(sum, "print(3)"), "wrong test 1");
    assert.equal(await verdict(sum, "print(1 / 0)"), "error the program ended with 1");
    assert.equal(await verdict(sum, "import os\nos.abort()"), "error the program ended with 6");
    assert.equal(await verdict(sum, "print(int(input().split()[0]) + 2"), "error the program ended with 1");
    assert.equal(await verdict(sum, "while True: pass", { seconds: 0.3 }), "timeout more than 0.3 seconds");
    assert.equal(await verdict(sum, "import time\ntime.sleep(9)", { seconds: 0.3 }), "timeout more than 0.3 seconds");
    assert.equal(await verdict(sum, "while True: print('x' * 99999)"), "error the program printed too much");
    const daemon =
      "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\nprint(sum(map(int, input().split())))";
    assert.equal(await verdict(sum, daemon), "passed");
  });

  test("outputs are compared as LiveCodeBench does", async () => {
    const compare = async (printed: string, expected: string) =>
      (await verdict(printing(expected), `print(${JSON.stringify(printed)}, end='')`)) === "passed";
    for (const [printed, expected] of [
      ["3\n", "3"],
      ["\n 3  \n 4\n\n", "3\n4"],
      ["1.0 2", "1 2.00"],
      ["1e3", "1000"],
      ["YES", "YES"],
      ["50000000000000001", "50000000000000001.0"],
      ["1\r\n2", "1\n2"],
      ["", "\n"],
    ])
      assert.ok(await compare(printed, expected), `${printed} for ${expected}`);
    for (const [printed, expected] of [
      ["0.3000000001", "0.3"],
      ["50000000000000000", "50000000000000001"],
      ["yes", "YES"],
      ["1\n\n2", "1\n2"],
      ["1 2", "1\n2"],
      ["1  a", "1 a"],
      ["nan", "NaN"],
      ["sNaN", "1"],
      ["", "0"],
    ])
      assert.ok(!(await compare(printed, expected)), `${printed} for ${expected}`);
  });

  test("functions: methods of Solution, or plain ones; tuples are lists", async () => {
    const both: ContestTests = {
      entry: "both",
      tests: [
        { input: "[1, 2]\n3", output: "[[1, 2], 3]" },
        { input: "[]\n123456789012345678901234567890", output: "[[], 123456789012345678901234567890]" },
        { input: '[0.1]\n{"a": null}', output: '[[0.1], {"a": null}]' },
      ],
    };
    const method = (result: string) =>
      `class Solution:\n    def both(self, a: List[int], b: int):\n        return ${result}`;
    assert.equal(await verdict(both, method("[a, b]")), "passed");
    assert.equal(await verdict(both, method("(a, b)")), "passed");
    assert.equal(await verdict(both, "def both(a, b): return [a, b]"), "passed");
    assert.equal(await verdict(both, method("[tuple(a), b]")), "wrong test 0");
    assert.equal(await verdict(both, method("[a, b] if a else [a, int(float(b))]")), "wrong test 1");
    assert.equal(await verdict(both, method("1 / 0")), "error ZeroDivisionError: division by zero");
    assert.equal(
      await verdict(both, "class Solution: pass"),
      "error AttributeError: 'Solution' object has no attribute 'both'",
    );
    assert.equal(await verdict(both, "def other(): pass"), "error KeyError: 'both'");
    const slow = method("[a, b] if a else __import__('time').sleep(9)");
    assert.equal(await verdict(both, slow, { seconds: 0.3 }), "timeout more than 0.3 seconds");
    const kept =
      "calls = []\ndef both(a, b):\n    calls.append(a)\n    return [a, b] if len(calls) < 3 else len(calls)";
    assert.equal(await verdict(both, kept), "wrong test 2"); // as in its harness, one process answers all
  });

  test("no run knows what it is to print", async () => {
    const secret = { entry: null, tests: [1, 2].map((n) => ({ input: `${n}`, output: `secret-${n}-value` })) };
    const finds = (where: string) => `n = input()
import ctypes, gc, os, sys
text = ''
${where}
i = text.find('secret-' + n)
print(text[i : i + 14] if i >= 0 else 'nothing')`;
    const frames = "frame = sys._getframe()\nwhile frame:\n    text += repr(frame.f_locals)\n    frame = frame.f_back";
    const objects = "text = repr([x for x in gc.get_objects() if type(x) in (dict, list, tuple)])";
    const inputs =
      "for fd in range(64):\n    try:\n        os.lseek(fd, 0, 0)\n        text += os.read(fd, 1 << 20).decode(errors='replace')\n    except OSError: pass";
    const files =
      "for folder in ('/program', '/scratch'):\n    for name in os.listdir(folder): text += open(folder + '/' + name).read()";
    for (const where of [frames, objects, inputs, files])
      assert.equal(await verdict(secret, finds(where)), "wrong test 0", where);
  });
});
