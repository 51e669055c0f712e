// Do the tests of policies see small mistakes? Each mutation below is made in a copy of the sources, and must turn the kept sets red.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";

const root = new URL("../../", import.meta.url).pathname;

interface Mutation {
  what: string;
  file: string;
  from: string;
  to: string;
  /** Test file, and the name of the tests that should see it. */
  seen: [string, string];
}

const kept = (name: string): [string, string] => ["kept", `^${name}: `];

const MUTATIONS: Mutation[] = [
  {
    what: "StreamingLLM's window is one longer",
    file: "src/policy/streaming.ts",
    from: "window: recent - 1",
    to: "window: recent",
    seen: kept("streaming"),
  },
  {
    what: "StreamingLLM forgets its sinks",
    file: "src/policy/streaming.ts",
    from: "spare: sinks }",
    to: "spare: 0 }",
    seen: kept("streaming"),
  },
  {
    what: "DMS's window is one shorter",
    file: "src/policy/dms.ts",
    from: "threshold, window, spare",
    to: "threshold, window: window - 1, spare",
    seen: kept("dms"),
  },
  {
    what: "KVzap's sign",
    file: "src/policy/kvzap.ts",
    from: "threshold: -threshold",
    to: "threshold",
    seen: kept("kvzap"),
  },
  {
    what: "R-KV takes the mean for the max over the group",
    file: "src/policy/rkv.ts",
    from: 'group: "max"',
    to: 'group: "mean"',
    seen: kept("rkv"),
  },
  {
    what: "R-KV pools by the mean",
    file: "src/policy/rkv.ts",
    from: 'pool: "max"',
    to: 'pool: "mean"',
    seen: kept("rkv"),
  },
  {
    what: "SnapKV's own window is not safe",
    file: "src/policy/snapkv.ts",
    from: "recent: window",
    to: "recent: 0",
    seen: kept("snapkv"),
  },
  {
    what: "SnapKV does not pool",
    file: "src/policy/snapkv.ts",
    from: 'pool: "mean", kernel }',
    to: 'pool: "mean", kernel: 1 }',
    seen: kept("snapkv"),
  },
  {
    what: "TOVA looks at one KV head alone",
    file: "src/policy/tova.ts",
    from: 'group: "layer"',
    to: 'group: "mean"',
    seen: kept("tova"),
  },
  {
    what: "H2O forgets the prompt's attention",
    file: "src/policy/h2o.ts",
    from: "sums: true",
    to: "sums: false",
    seen: kept("h2o"),
  },
  {
    what: "H2O protects one key fewer",
    file: "src/device/reference/keep.ts",
    from: "newest - recent(key.lane)",
    to: "newest - recent(key.lane) + 1",
    seen: kept("h2o"),
  },
  {
    what: "a cut's order is lost",
    file: "src/policy/once.ts",
    from: "replace: false",
    to: "replace: true",
    seen: kept("snapkv, every 6"),
  },
  {
    what: "random forgets its sinks",
    file: "src/policy/once.ts",
    from: "protect: parts.sinks ?? 0",
    to: "protect: 0",
    seen: kept("random, every 7"),
  },
  {
    what: "dms-budget keeps one key too few of its window",
    file: "src/policy/dms-budget.ts",
    from: "recent: window + 1,",
    to: "recent: window,",
    seen: kept("dms-budget"),
  },
  {
    what: "expected attention leaves values out",
    file: "src/policy/expected.ts",
    from: "values: true",
    to: "values: false",
    seen: kept("expected"),
  },
  {
    what: "observed attention keeps its bias to old keys",
    file: "src/device/reference/score.ts",
    from: "newest + 1 - position",
    to: "newest + 1",
    seen: kept("observed"),
  },
  {
    what: "Quest bounds by the least alone",
    file: "src/device/reference/select.ts",
    from: "Math.max(q[i] * bounds[at], q[i] * bounds[at + D])",
    to: "q[i] * bounds[at]",
    seen: kept("quest"),
  },
  {
    what: "AdaKV has no floor",
    file: "src/policy/ada.ts",
    from: 'pool: "layer", floor',
    to: 'pool: "layer", floor: 0',
    seen: ["wrappers", "^ada: "],
  },
  {
    what: "KVzip pools by layer and head",
    file: "src/policy/kvzip.ts",
    from: 'pool: "set"',
    to: 'pool: "lane"',
    seen: ["wrappers", "^kvzip: "],
  },
];

describe("mutations", () => {
  const copy = mkdtempSync(join(tmpdir(), "hyperthink-mutations-"));
  for (const part of ["src", "test", "package.json", "tsconfig.json"])
    cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
  after(() => rmSync(copy, { recursive: true }));

  /** Runs the named tests in the copy, whose kernels are not there: on the reference device. */
  const green = ([file, name]: [string, string]): boolean => {
    const args = ["--test", "--test-reporter=tap", `--test-name-pattern=${name}`, `test/policy/${file}.test.ts`];
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const { status, stdout } = spawnSync(process.execPath, args, { cwd: copy, env, encoding: "utf8" });
    assert.match(stdout, /^# tests [1-9]/m, `no test is called ${name}:\n${stdout}`);
    return status === 0;
  };

  for (const { what, file, from, to, seen } of MUTATIONS)
    test(what, () => {
      const path = join(copy, file);
      const source = readFileSync(path, "utf8");
      assert.equal(source.split(from).length, 2, `${file}: expected "${from}" once`);
      writeFileSync(path, source.replace(from, to));
      try {
        assert.equal(green(seen), false, `no test of ${seen.join(" ")} saw it`);
      } finally {
        writeFileSync(path, source);
      }
    });

  test("without a mutation they are green", () => {
    assert.equal(green(kept("(streaming|h2o|quest)")), true);
  });
});
