// Which instruction set runs: the best that is not hidden, or the one asked for; and what a
// machine without the better ones says.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HyperthinkError } from "../../src/base/errors.ts";
import { cpu, cpuAvailable } from "../../src/device/cpu.ts";
import { ISA_NAMES, type Isa, instructionSet, instructionSets } from "../../src/device/isa.ts";
import { native } from "../../src/device/native.ts";

const unrun = cpuAvailable();
const refusal = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof HyperthinkError && error.code === code && message.test(error.message);

describe("instruction sets", { skip: unrun === null ? false : `UNRUN: ${unrun}` }, () => {
  const all = instructionSets("");

  test("what is hidden is gone, and AVX-512 with the AVX2 that it needs", () => {
    assert.deepEqual(all, native().sets());
    const without = (...gone: Isa[]) => all.filter((set) => !gone.includes(set));
    assert.deepEqual(instructionSets("avx512"), without("avx512"));
    assert.deepEqual(instructionSets(" avx512, avx2,"), ["baseline"]);
    assert.deepEqual(instructionSets("avx2"), ["baseline"]);
  });

  test("a name that cannot be hidden is an error", () => {
    for (const name of ["avx", "baseline", "AVX2", "constructor"])
      assert.throws(
        () => instructionSets(`avx512,${name}`),
        refusal("bad-argument", new RegExp(`HYPERTHINK_HIDE_ISA: .*got ${name}$`)),
      );
  });

  test("the best is run, or the one asked for; one that is not here is an error that lists what is", () => {
    assert.equal(instructionSet("", ["avx2", "baseline"]), "avx2");
    assert.equal(instructionSet("baseline", ["avx2", "baseline"]), "baseline");
    assert.throws(
      () => instructionSet("avx512", ["avx2", "baseline"]),
      refusal("unsupported", /\(avx2, baseline\), got avx512; unset HYPERTHINK_ISA/),
    );
    assert.throws(() => instructionSet("sse9", all), refusal("bad-argument", /HYPERTHINK_ISA: .*got sse9/));
    assert.throws(() => native().open(1, "sse9"), /expected an instruction set .* got sse9/);
  });

  test("a device says what it runs", () => {
    for (const isa of instructionSets()) {
      const device = cpu({ threads: 1, isa });
      device.close();
      assert.equal(device.description, `cpu: ${ISA_NAMES[isa]}, 1 thread`);
    }
  });

  test("a process that hides sets is one on a machine without them", () => {
    const code = `
      const { cpu } = await import("./src/device/cpu.ts");
      console.log(cpu({ threads: 1 }).description);
      try { cpu({ threads: 1, isa: "avx2" }); } catch (error) { console.log(error.code, error.message); }`;
    const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", code], {
      cwd: fileURLToPath(new URL("../../", import.meta.url)),
      env: { ...process.env, HYPERTHINK_ISA: "", HYPERTHINK_HIDE_ISA: "avx2" },
      encoding: "utf8",
    });
    const [description, error] = stdout.split("\n");
    assert.equal(description, "cpu: baseline instructions, 1 thread", stderr);
    assert.match(error, /^unsupported .*\(baseline\), got avx2/);
  });
});
