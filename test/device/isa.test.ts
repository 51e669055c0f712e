// The device suites again under every lower instruction set of this machine: what runs on other people's machines.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cpu, cpuAvailable } from "../../src/device/cpu.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const suites = [
  "test/device/ops.test.ts",
  "test/device/spans.test.ts",
  "test/device/lanes.test.ts",
  "test/device/byhand.test.ts",
  "test/device/keeping.test.ts",
  "test/engine/partition.test.ts",
];
const forced = process.env.HYPERTHINK_ISA;
const reason =
  cpuAvailable() ??
  (forced
    ? `HYPERTHINK_ISA=${forced} is set already`
    : process.arch === "x64"
      ? null
      : `one instruction set on ${process.arch}`);

for (const isa of ["avx2", "baseline"])
  test(`device suites with HYPERTHINK_ISA=${isa}`, {
    skip: reason ? `UNRUN: ${reason}` : false,
    timeout: 400_000,
  }, (t) => {
    const best = cpu({ threads: 1 });
    const { description } = best;
    best.close();
    if (isa === "avx2" && !/AVX/.test(description)) return t.skip(`UNRUN: this machine has no AVX2 (${description})`);
    const env: NodeJS.ProcessEnv = { ...process.env, HYPERTHINK_ISA: isa };
    delete env.NODE_TEST_CONTEXT; // else the child reports to a runner that is not there
    const child = spawnSync(process.execPath, ["--test", "--test-reporter=tap", ...suites], {
      cwd: root,
      env,
      encoding: "utf8",
    });
    assert.equal(
      child.status,
      0,
      child.stdout
        .split("\n")
        .filter((line) => /not ok/.test(line))
        .join("\n"),
    );
    assert.match(child.stdout, /# fail 0/);
    assert.match(child.stdout, /cpu, threads 2/, "the cpu device was not among those that ran");
  });
