import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { accessSync, chmodSync, constants, existsSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openSandbox } from "../../src/eval/sandbox/sandbox.ts";
import { withFolder } from "../support/checkpoint.ts";
import { anySandbox, noSandbox, sandboxes } from "../support/sandboxes.ts";

const linux = process.platform === "linux" ? false : "UNRUN: not Linux";

test("without Python it refuses, and says what to install", { skip: linux }, async () => {
  await assert.rejects(openSandbox({ python: "/nowhere/python3" }), {
    code: "unsupported",
    message:
      /Python 3\.9 or later: \/nowhere\/python3 is not usable \(.*ENOENT.*\); install Python, or name another one$/,
  });
  await withFolder({}, async (folder) => {
    const old = join(folder, "old");
    writeFileSync(old, "#!/bin/sh\necho 307\n");
    chmodSync(old, 0o755);
    await assert.rejects(openSandbox({ python: old }), { code: "unsupported", message: /\(it is older than 3\.9\)/ });
  });
});

const bwrap = (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, "bwrap")));
test(
  "without isolation it refuses, and says what to install",
  { skip: bwrap ? "UNRUN: bwrap is here" : noSandbox },
  () =>
    assert.rejects(openSandbox({ isolation: "bubblewrap" }), {
      code: "unsupported",
      message:
        /nothing here keeps them apart \(bubblewrap: bwrap is not installed\): install bubblewrap 0\.7 or later, or/,
    }),
);

test("a bubblewrap that isolates nothing is not used", { skip: noSandbox }, async () =>
  withFolder({}, async (folder) => {
    // It runs what it is told to run, as if there were no options.
    const bwrap = join(folder, "bwrap");
    writeFileSync(bwrap, '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n');
    chmodSync(bwrap, 0o755);
    const source = new URL("../../src/eval/sandbox/sandbox.ts", import.meta.url).href;
    const script = `const { openSandbox } = await import(${JSON.stringify(source)});
      await openSandbox({ isolation: "bubblewrap" }).catch((error) => console.log(error.code, error.message));`;
    const said = await output(process.execPath, ["--input-type=module", "-e", script], {
      ...process.env,
      PATH: `${folder}${delimiter}${process.env.PATH}`,
    });
    assert.match(
      said,
      /^unsupported programs are not run, as nothing here keeps them apart \(bubblewrap: bwrap made no/,
    );
  }),
);

test("it is tried once, and says what it is", { skip: noSandbox }, async () => {
  assert.equal(openSandbox(), openSandbox({}));
  const { isolation, ownUid, python } = await openSandbox();
  const working = sandboxes.flatMap(({ sandbox }) => sandbox ?? []);
  const rather = working.find((sandbox) => !sandbox.ownUid) ?? working[0];
  assert.deepEqual([isolation, ownUid], [rather.isolation, rather.ownUid]);
  assert.match(python, /^3\.\d+\.\d+$/);
  if (process.getuid!() === 0) assert.equal(ownUid, false);
});

test("programs see what is installed beside Python only where they may", { skip: noSandbox }, async () => {
  const source = `import os, site, sys
there = [os.path.join(p, f) for p in [*site.getsitepackages(), *sys.path] if "-packages" in p and os.path.isdir(p) for f in os.listdir(p)]
print(len(there))`;
  const { isolation } = anySandbox!;
  assert.equal((await anySandbox!.run({ source })).stdout, "0\n");
  const open = await openSandbox({ isolation, packages: true });
  const { stdout, status, stderr } = await open.run({ source });
  assert.equal(status, "ok", stderr);
  const here = await output("python3", ["-I", "-S", "-B", "-c", source], process.env);
  assert.equal(Number(stdout) > 0, Number(here) > 0, `${stdout} in it, ${here} here`);
});

// All that a user may do without being root, on a machine where the tests run as root.
const USER = 12345;
const other = ((): string | false => {
  if (linux || process.getuid!() !== 0) return "UNRUN: not root";
  if (!existsSync("/usr/bin/setpriv")) return "UNRUN: no setpriv";
  if (!existsSync("/usr/bin/python3")) return "UNRUN: no python3 that other users may run";
  try {
    accessSync(process.execPath, constants.X_OK);
    for (let path = fileURLToPath(import.meta.url); path !== "/"; path = join(path, ".."))
      if (!(statSync(path).mode & 1) && statSync(path).isDirectory())
        return "UNRUN: other users cannot read these files";
  } catch {
    return "UNRUN: other users cannot read these files";
  }
  return noSandbox;
})();
const AS_USER = "no right of any kind|fork bomb|reading files|outlives|killing its parent|taking memory|is killed";
test("hostile programs as a user without rights", { skip: other }, async (t) => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const said = await output(
    "/usr/bin/setpriv",
    `--reuid=${USER} --regid=${USER} --clear-groups ${process.execPath} --test --test-reporter=tap`
      .split(" ")
      .concat(`--test-name-pattern=${AS_USER}`, fileURLToPath(new URL("sandbox.test.ts", import.meta.url))),
    { PATH: env.PATH, HOME: "/tmp" },
  );
  const passed = [...said.matchAll(/^ +ok \d+ - (?!.*# SKIP)/gm)].length;
  if (passed === 0 && !/^ *not ok/m.test(said)) return t.skip(`UNRUN: ${/UNRUN: (.*)/.exec(said)?.[1] ?? said}`);
  assert.doesNotMatch(said, /^ *not ok/m);
  assert.ok(passed >= 8, said);
});

function output(program: string, options: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, options, { env, stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.on("data", (part) => {
      said += part;
    });
    child.on("error", reject);
    child.on("close", () => resolve(said));
  });
}
