// A copy of the sources to make mistakes in, and the tests that should see them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Outcome, outcomes } from "../support/outcomes.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Mutation {
  what: string;
  file: string;
  from: string;
  to: string;
  /** A case of kept.test.ts that should see it. */
  seen: string;
}

export class Copy {
  readonly path = mkdtempSync(join(tmpdir(), "hyperthink-mutations-"));
  readonly #passed = new Set<string>();

  constructor(parts: readonly string[] = []) {
    for (const part of ["src", "test", "package.json", "tsconfig.json", ...parts])
      cpSync(join(root, part), join(this.path, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(this.path, "node_modules"));
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }

  /** Runs kept sets of one device in the copy: what its tests came to whose names begin so. */
  #run(device: string, name: string): { outcomes: Outcome[]; output: string } {
    const pattern = `--test-name-pattern=^${device} ${name}: `;
    const args = ["--test", "--test-reporter=tap", pattern, "test/policy/kept.test.ts"];
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const options = { cwd: this.path, env: { ...env, HYPERTHINK_ISA: "baseline" }, encoding: "utf8" } as const;
    const { stdout, stderr } = spawnSync(process.execPath, args, options);
    return { outcomes: outcomes(stdout), output: stdout + stderr };
  }

  /** Shows that cases are there and pass in the copy as it is; only these can see a mutation. */
  mustPass(device: string, cases: Iterable<string>): void {
    const names = [...new Set(cases)];
    const { outcomes, output } = this.#run(device, `(${names.join("|")})`);
    const wrong = outcomes.filter(({ verdict }) => verdict !== "pass");
    assert.deepEqual(wrong, [], `expected every case to pass without a mutation:\n${output}`);
    for (const name of names) {
      assert.ok(
        outcomes.some((outcome) => outcome.name.startsWith(`${name}: `)),
        `${device} has no case ${name}:\n${output}`,
      );
      this.#passed.add(`${device} ${name}`);
    }
  }

  /**
   * Makes one mistake, has it `built`, and takes it back. The tests of its case must fail, and by what they assert or
   * by what the device finds wrong: a file that cannot be imported, or crashes, has seen nothing.
   */
  async mustSee({ file, from, to, seen }: Mutation, device: string, built = async () => {}): Promise<void> {
    assert.ok(this.#passed.has(`${device} ${seen}`), `${seen} was not shown to pass without the mutation`);
    const path = join(this.path, file);
    const source = readFileSync(path, "utf8");
    assert.equal(source.split(from).length, 2, `${file}: expected "${from}" once`);
    writeFileSync(
      path,
      source.replace(from, () => to),
    );
    try {
      await built();
      const { outcomes, output } = this.#run(device, seen);
      const failed = outcomes.filter(({ verdict }) => verdict !== "pass");
      assert.ok(outcomes.length > 0 && failed.length > 0, `no test of ${seen} saw it:\n${output}`);
      const broken = failed.filter(({ verdict }) => verdict !== "assertion" && verdict !== "fault");
      assert.deepEqual(broken, [], `expected assertions to fail, or a fault of the device:\n${output}`);
    } finally {
      writeFileSync(path, source);
    }
  }
}
