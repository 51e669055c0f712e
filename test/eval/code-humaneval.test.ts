import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import {
  checkHumanEval,
  type FunctionProblem,
  humanEvalProgram,
  parseHumanEval,
} from "../../src/eval/code/humaneval.ts";
import { anySandbox, noSandbox } from "../support/sandboxes.ts";

const file = fileURLToPath(new URL("../../../shared/data/bench/HumanEval.jsonl.gz", import.meta.url));
const here = existsSync(file);

const row = {
  task_id: "x/0",
  prompt: "def twice(values):\n    ''' every value two times '''\n",
  entry_point: "twice",
  canonical_solution: "    return [v for v in values for _ in range(2)]\n",
  test: "def check(candidate):\n    assert candidate([1, 'a']) == [1, 1, 'a', 'a']\n    assert candidate([]) == []\n",
};
const [problem] = parseHumanEval("x.jsonl", Buffer.from(JSON.stringify(row)));

test("reads the published file, gzipped or not", () => {
  const text = `${JSON.stringify(row)}\n\n${JSON.stringify({ ...row, task_id: "x/1" })}\n`;
  const plain = parseHumanEval("x.jsonl", Buffer.from(text));
  assert.deepEqual(
    plain.map(({ id }) => id),
    ["x/0", "x/1"],
  );
  assert.deepEqual(parseHumanEval("x.jsonl.gz", gzipSync(text)), plain);
  assert.deepEqual([problem.entry, problem.solution], ["twice", row.canonical_solution]);
});

test("a file that is something else is refused, by line", () => {
  const refused = (content: string | Uint8Array, message: RegExp) =>
    assert.throws(() => parseHumanEval("x", Buffer.from(content)), { code: "bad-file", message });
  refused("", /^x: expected at least one problem, got an empty file$/);
  refused(`${JSON.stringify(row)}\n{`, /^x: line 2: expected JSON/);
  refused("[]", /^x: line 1: expected a problem of HumanEval/);
  refused(JSON.stringify({ ...row, test: 5 }), /^x: line 1: test: /);
  refused(JSON.stringify({ ...row, entry_point: "a; import os" }), /^x: line 1: entry_point: /);
  refused(new Uint8Array([0x61, 0xff]), /^x: line 1: expected UTF-8$/);
  refused(gzipSync("{}").subarray(0, 12), /^x: expected gzip of at most \d+ bytes: unexpected end of file$/);
  refused(gzipSync(Buffer.alloc(2 ** 28 + 1)), /^x: expected gzip of at most 268435456 bytes: /);
});

describe("HumanEval's checks", { skip: noSandbox }, () => {
  const verdict = async (body: string, options = {}, of: FunctionProblem = problem) =>
    checkHumanEval(anySandbox!, of, humanEvalProgram(of, `\`\`\`python\n${body}\n\`\`\``)!, options);

  test("right, wrong, raising, and no program at all", async () => {
    const right = await verdict("def twice(values):\n    return [v for v in values for _ in '12']");
    assert.deepEqual([right.verdict, right.detail], ["passed", ""]);
    assert.equal(right.ran.isolation, anySandbox!.isolation);
    assert.equal((await verdict("def twice(values):\n    return values")).verdict, "wrong");
    assert.equal((await verdict("    return None")).verdict, "wrong");
    const raises = await verdict("def twice(values):\n    return values[99]");
    assert.deepEqual([raises.verdict, raises.detail], ["error", "IndexError: list index out of range"]);
    const broken = await verdict("def twice(values):\n    return )");
    assert.match(broken.detail, /^SyntaxError/);
    assert.equal(broken.verdict, "error");
    assert.equal((await verdict("def twice(values):\n    while True: pass", { seconds: 0.5 })).verdict, "timeout");
    assert.equal(
      (await verdict("def twice(values):\n    return [0] * 10**9", { memoryBytes: 2 ** 28 })).verdict,
      "error",
    );
    assert.equal((await verdict("def twice(values):\n    while True: print('x' * 999)")).verdict, "output");
  });

  test("values of every kind come back as they were", async () => {
    const kinds = [
      "None",
      "True",
      "-5",
      "2 ** 200",
      "-(2 ** 63)",
      "1.5",
      "1e300",
      "-0.0",
      "float('inf')",
      "'\\ud800ä\\0'",
      "b'\\xff'",
      "(1, (2,))",
      "[[], {}]",
      "{1: 'a', (2, 3): None}",
      "{1, 2.5}",
      "frozenset('ab')",
      "3 + 4j",
      "range(1, 9, 2)",
    ];
    const check = `def check(candidate):
    for i, expected in enumerate([${kinds}]):
        got = candidate(i, expected)
        assert got == expected and type(got) is type(expected) and repr(got) == repr(expected), (i, got)
    assert candidate(18, 0) != candidate(18, 0) and list(candidate(19, 0)) == [0, 1, 4]
    assert candidate(20, b=1, a=2) == ([2], 1) and candidate(21, 0) == {"x": 1} and candidate(22, 0) == 7
    value = [1]
    assert candidate(23, value) is None and value == [1]`;
    const source = `def twice(i, a, b=0):
    if i == 19: return (x * x for x in range(3))
    if i == 20: return [a], b
    if i == 21:
        import collections
        return collections.Counter("x")
    if i == 22:
        class Seven:
            def __index__(self): return 7
        return Seven()
    if i == 23: return a.append(2)
    return float("nan") if i == 18 else [${kinds}][i] if [${kinds}][i] == a and type(a) is type([${kinds}][i]) else "?"`;
    const { verdict: got, detail } = await verdict(source, {}, { ...problem, check });
    assert.deepEqual([got, detail], ["passed", ""]);
  });

  test("no way to pass but the answers", async () => {
    const hostile = {
      "exit from the function": "def twice(values):\n    raise SystemExit(0)",
      "exit before it": "import sys\nsys.exit(0)",
      "exit without a word": "def twice(values):\n    import os\n    os._exit(0)",
      "exit at the start": "import os\nos._exit(0)",
      "an object that equals everything":
        "class Any(list):\n    __eq__ = lambda s, o: True\n    __ne__ = lambda s, o: False\ndef twice(values):\n    return Any()",
      "an object that claims to be a list":
        "class Any:\n    __class__ = list\n    __eq__ = lambda s, o: True\ndef twice(values):\n    return Any()",
      "its own check": "def check(candidate):\n    pass\ndef twice(values):\n    return 0",
      "no assertions": "import builtins\nbuiltins.AssertionError = ValueError\ndef twice(values):\n    return 0",
      "other builtins":
        "import builtins, json\nbuiltins.list = builtins.dict = lambda *a: 0\njson.dumps = lambda v: 'null'\ndef twice(values):\n    return 0",
      "the check's frames":
        "import sys\ndef twice(values):\n    frame = sys._getframe()\n    while frame:\n        for name in ('check', 'candidate', 'space'):\n            if name in frame.f_locals or name in frame.f_globals and name != 'check': frame.f_locals[name] = print\n        frame = frame.f_back\n    return 0",
      "what the judge holds":
        "import gc, sys\ndef twice(values):\n    text, frame = '', sys._getframe().f_back\n    while frame:\n        text += repr(frame.f_locals) + repr(frame.f_globals)\n        frame = frame.f_back\n    text += repr([x for x in gc.get_objects() if type(x) in (dict, list, tuple)])\n    return ([1, 1, 'a', 'a'] if values else []) if 'assert' + chr(32) + 'candidate([1' in text else 0",
      "the judge's file":
        "import glob\ndef twice(values):\n    text = ''\n    for path in glob.glob('/program/*') + glob.glob('/scratch/*') + ['/dev/stdin', '/dev/fd/0', '/proc/self/fd/0']:\n        try: text += open(path).read()\n        except OSError: pass\n    return ([1, 1, 'a', 'a'] if values else []) if 'candidate([1' in text else 0",
      "the judge's input":
        "import os\ndef twice(values):\n    text = b''\n    for fd in range(64):\n        try:\n            os.set_blocking(fd, False)\n            text += os.pread(fd, 1 << 20, 0)\n        except OSError: pass\n        try: text += os.read(fd, 1 << 20)\n        except OSError: pass\n    return ([1, 1, 'a', 'a'] if values else []) if b'assert' in text else 0",
      "the judge's memory":
        "import ctypes, os\ndef twice(values):\n    libc = ctypes.CDLL(None, use_errno=True)\n    if libc.ptrace(16, os.getppid(), 0, 0) == 0: return [1, 1, 'a', 'a'] if values else []\n    try:\n        open(f'/proc/{os.getppid()}/mem')\n        return [1, 1, 'a', 'a'] if values else []\n    except OSError: return 0",
      "a forged verdict":
        "import os, json\ntext = json.dumps({'verdict': 'passed', 'detail': '', 'word': 'x'}).encode() + b'\\n'\nfor fd in range(64):\n    try: os.write(fd, text)\n    except OSError: pass\ndef twice(values):\n    print(text.decode(), flush=True)\n    return 0",
      "a forged answer, and its end":
        'import os\ntext = b\'{"value": [1, 1, "a", "a"]}\'\ndef twice(values):\n    for fd in range(64):\n        try: os.write(fd, len(text).to_bytes(8, \'little\') + text)\n        except OSError: pass\n    os._exit(0)',
      "killing the judge": "import os\ndef twice(values):\n    os.kill(os.getppid(), 9)",
      "interrupting the judge":
        "import os, time\ndef twice(values):\n    os.kill(os.getppid(), 2)\n    time.sleep(0.2)\n    return 0",
      "a name that is no function": "twice = None",
      "a value that breaks the reader":
        "def twice(values):\n    x = []\n    for _ in range(100000): x = [x]\n    return x",
      "an endless value": "def twice(values):\n    while True: yield 1",
    };
    for (const [name, source] of Object.entries(hostile)) {
      const { verdict: got } = await verdict(source, { seconds: 1, memoryBytes: 2 ** 28 });
      assert.ok(["wrong", "error", "timeout", "memory", "ended"].includes(got), `${name}: ${got}`);
    }
  });

  test("helpers of the prompt are the prompt's", async () => {
    const prompt = "def helper(x):\n    return x + 1\n\ndef back(x):\n    ''' the inverse of helper '''\n";
    const check =
      "def check(candidate):\n    assert all(candidate(helper(i)) == i for i in range(9))\n    assert back(5) == 4";
    const of = { ...problem, prompt, check, entry: "back" };
    assert.equal((await verdict("    return x - 1", {}, of)).verdict, "passed");
    const own = "def helper(x): return 3\ndef back(x):\n    return 0";
    assert.equal((await verdict(own, {}, of)).verdict, "wrong");
  });

  test("its own solutions pass, 164 of 164, and none passes empty", {
    skip: here ? false : "UNRUN: no shared data",
  }, async () => {
    const problems = parseHumanEval(file, readFileSync(file));
    assert.equal(problems.length, 164);
    const failed: string[] = [];
    let next = 0;
    const work = async () => {
      for (let of = problems[next++]; of; of = problems[next++]) {
        const program = humanEvalProgram(of, of.solution);
        const { verdict, detail } = await checkHumanEval(anySandbox!, of, program!);
        if (verdict !== "passed") failed.push(`${of.id}: ${verdict} ${detail}`);
      }
    };
    await Promise.all([work(), work()]);
    assert.deepEqual(failed, []);
    for (const of of problems.filter((_, i) => i % 16 === 0)) {
      const { verdict } = await checkHumanEval(anySandbox!, of, `${of.prompt}    return None\n`);
      assert.notEqual(verdict, "passed", of.id);
    }
  });
});
