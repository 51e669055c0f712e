// A copy of the sources to make mistakes in, and the tests that should see them.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

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

  constructor(parts: readonly string[] = []) {
    for (const part of ["src", "test", "package.json", "tsconfig.json", ...parts])
      cpSync(join(root, part), join(this.path, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(this.path, "node_modules"));
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }

  /** Runs kept sets of one device in the copy: do all tests whose name begins so pass? */
  green(device: string, name: string): boolean {
    const pattern = `--test-name-pattern=^${device} ${name}`;
    const args = ["--test", "--test-reporter=tap", pattern, "test/policy/kept.test.ts"];
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const options = { cwd: this.path, env: { ...env, HYPERTHINK_ISA: "baseline" }, encoding: "utf8" } as const;
    const { status, stdout } = spawnSync(process.execPath, args, options);
    assert.match(stdout, /^# tests [1-9]/m, `no test of ${device} is called ${name}:\n${stdout}`);
    return status === 0;
  }

  /** Makes one mistake, has it `built`, asks `green` of its case, and takes it back. */
  async mustSee({ file, from, to, seen }: Mutation, device: string, built = async () => {}): Promise<void> {
    const path = join(this.path, file);
    const source = readFileSync(path, "utf8");
    assert.equal(source.split(from).length, 2, `${file}: expected "${from}" once`);
    writeFileSync(
      path,
      source.replace(from, () => to),
    );
    try {
      await built();
      assert.equal(this.green(device, `${seen}: `), false, `no test of ${seen} saw it`);
    } finally {
      writeFileSync(path, source);
    }
  }
}
