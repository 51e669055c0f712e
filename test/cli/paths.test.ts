// Installed, and given files, under names that a URL would spell otherwise.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const outside = mkdtempSync(join(tmpdir(), "hyperthink-"));
const home = join(outside, "a b%20#?é世界");
after(() => rmSync(outside, { recursive: true }));

// A program's file is known by its real path: only what is copied lies under the odd name.
mkdirSync(join(home, "models"), { recursive: true });
const models = ["beads", "abacus", "abacus-dms-8x"].map((name) => `models/${name}`);
for (const name of ["src", "package.json", ...models, "golden/beads-text", "kernels"])
  cpSync(join(root, name), join(home, name), { recursive: true, preserveTimestamps: true });
symlinkSync(join(root, "node_modules"), join(home, "node_modules"));

function run(args: string[], cwd: string, env = {}): { code: number | null; out: string; err: string } {
  const child = spawnSync(process.execPath, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ...env },
    timeout: 60_000,
  });
  return { code: child.status, out: child.stdout, err: child.stderr };
}
const program = join(home, "src/cli/main.ts");
const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";

describe("installed under an odd name", () => {
  for (const [args, shown] of [
    [["generate", "--max-tokens", "8", question], /\S/],
    [["scale", "--width", "2", "--max-tokens", "8", question], /^2 chains over a prompt/],
    [["demo", "--problems", "2", "--most", "2", "--width", "1", "--json"], /"problems":2/],
    [["inspect"], /trained for CR 8/],
    [["verify", join(home, "golden/beads-text")], / PASS: \d+ passed, 0 failed, 0 not run\n$/],
  ] as const)
    test(args[0], () => {
      const { code, out, err } = run([program, ...args], outside);
      assert.equal(code, 0, err);
      assert.match(out, shown);
    });

  test("kernels are compiled there: each path is one argument", { skip: process.platform === "win32" }, () => {
    const folder = join(outside, "kernels ü#?%41");
    cpSync(join(root, "kernels"), join(folder, "kernels"), {
      recursive: true,
      filter: (file) => !file.endsWith("build"),
    });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    const compiler = join(folder, "c++ of $HOME");
    // It writes what it was given into the file that it should make.
    writeFileSync(compiler, '#!/bin/sh\nfor last; do :; done\nprintf "%s\\n" "$@" > "$last"\n');
    chmodSync(compiler, 0o755);
    const { code, err } = run([join(folder, "kernels/build.mjs")], outside, { CXX: compiler });
    assert.equal(code, 0);
    assert.equal(err, "");
    const addon = `hyperthink-${process.platform}-${process.arch}.node`;
    assert.deepEqual(readdirSync(join(folder, "kernels/build")), [addon]);
    const linked = readFileSync(join(folder, "kernels/build", addon), "utf8").split("\n");
    assert.ok(linked.includes(join(folder, "kernels/build/binding.cc.o")), linked.join("\n"));
  });
});

test("files of odd names as arguments, a model's folder with a slash at its end", () => {
  const text = "a text of 100%?.txt";
  writeFileSync(join(home, text), "A jug holds 7 beads and a can holds 4 jugs. ".repeat(60));
  const { code, err } = run(
    [
      program,
      "compare",
      ...["h2o", "--cr", "2", "--texts", "1", "--prefix", "48", "--scored", "32"],
      ...["--model", "models/beads/", "--text", text, "--plot", "k l#?.svg", "--resume", "世界 %20"],
    ],
    home,
  );
  assert.equal(code, 0, err);
  assert.match(readFileSync(join(home, "k l#?.svg"), "utf8"), /^<svg/);
  assert.match(readFileSync(join(home, "世界 %20"), "utf8"), /"text":0/);
});
