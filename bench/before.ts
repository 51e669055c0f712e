// Another commit, built beside this checkout, for benches that compare the two.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** This checkout. */
export const here = fileURLToPath(new URL("../", import.meta.url));

/** Runs a program to its end; what it printed. Throws where it fails. */
export function run(command: string, args: readonly string[], cwd: string, env = process.env): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: "utf8", maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} in ${cwd}: ${stderr || stdout}`);
  return stdout;
}

/** Builds a commit in a checkout of its own, which is gone when `work` is done. */
export async function withCommit(commit: string, work: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "hyperthink-before-"));
  try {
    run("git", ["worktree", "add", "--detach", root, commit], here);
    symlinkSync(join(here, "node_modules"), join(root, "node_modules"));
    run(process.execPath, ["kernels/build.mjs"], root);
    await work(root);
  } finally {
    run("git", ["worktree", "remove", "--force", root], here);
    rmSync(root, { recursive: true, force: true });
  }
}
