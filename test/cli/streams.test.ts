// Readers that go away, full disks, and what the exit code then says. Real pipes, closed before anything is written.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "hyperthink-"));
after(() => rmSync(folder, { recursive: true }));

/**
 * The program in a shell's line: "$@" stands for it. Its exit code comes on descriptor 3, beside what the line prints.
 */
function shell(line: string, args: string[]): { code: number; out: string; err: string } {
  const script = `{ ${line}; } 3>"${folder}/code"`;
  const child = spawnSync("sh", ["-c", script, "sh", process.execPath, `${root}src/cli/main.ts`, ...args], {
    encoding: "utf8",
    cwd: root,
    timeout: 120_000,
  });
  return { code: Number(readFileSync(`${folder}/code`, "utf8")), out: child.stdout, err: child.stderr };
}
const NO_OUT = '{ "$@"; echo $? >&3; } | :';
const NO_ERR = '{ { { "$@" 2>&1 >&4; echo $? >&3; } | :; } 4>&1; }';
const NEITHER = '{ "$@" 2>&1; echo $? >&3; } | :';

const generate = ["generate", "--max-tokens", "20", "A jug holds 7 beads. How many beads do 2 jugs hold?"];
const windows = process.platform === "win32";

describe("a reader that goes away is no error", { skip: windows }, () => {
  test("of standard error: the work is done all the same", () => {
    const whole = shell('"$@"; echo $? >&3', generate);
    const { code, out } = shell(NO_ERR, generate);
    assert.equal(code, 0);
    assert.ok(out.trim().length > 0);
    assert.equal(out, whole.out);
  });
  for (const args of [
    generate,
    ["scale", "--width", "2", "--max-tokens", "20", "hi"],
    ["demo", "--problems", "2", "--most", "2", "--width", "1"],
    ["inspect"],
    ["policies"],
    ["--help"],
  ])
    test(`of both: ${args[0]}`, () => assert.equal(shell(NEITHER, args).code, 0));
  test("bad arguments stay bad", () => {
    for (const line of [NO_OUT, NO_ERR, NEITHER]) assert.equal(shell(line, ["generate", "--frob"]).code, 2);
  });
});

describe("what is run for more than its output goes on without a reader", { skip: windows }, () => {
  test("verify: its exit code", () => {
    const good = `${root}golden/qwen3-dms-short`;
    const bad = join(folder, "bad");
    cpSync(good, bad, { recursive: true });
    const bytes = readFileSync(join(bad, "golden.safetensors"));
    bytes[bytes.length - 4] ^= 1;
    writeFileSync(join(bad, "golden.safetensors"), bytes);
    assert.equal(shell(NO_OUT, ["verify", "--device", "reference", good]).code, 0);
    assert.equal(shell(NO_OUT, ["verify", "--device", "reference", good, bad]).code, 1);
  });
  test("compare: its plot", () => {
    const plot = join(folder, "kl.svg");
    const text = join(folder, "text");
    writeFileSync(text, "A jug holds 7 beads and a can holds 4 jugs. ".repeat(60));
    const sizes = ["--cr", "2", "--texts", "1", "--prefix", "48", "--scored", "32"];
    assert.equal(shell(NO_OUT, ["compare", "h2o", ...sizes, "--text", text, "--plot", plot]).code, 0);
    assert.match(readFileSync(plot, "utf8"), /<\/svg>$/);
  });
});

describe("a full disk is one", { skip: existsSync("/dev/full") ? false : "UNRUN: no /dev/full here" }, () => {
  for (const args of [generate, ["inspect"], ["verify", `${root}golden/qwen3-dms-short`]])
    test(args[0], () => {
      const { code, err } = shell('"$@" >/dev/full; echo $? >&3', args);
      assert.equal(code, 1);
      assert.match(err, /^error: standard output cannot be written: .*ENOSPC/m);
      assert.doesNotMatch(err, /^\s+at /m);
    });
  test("of standard error, the work is done", () => {
    const { code, out } = shell('"$@" 2>/dev/full; echo $? >&3', generate);
    assert.equal(code, 1);
    assert.ok(out.length > 1);
  });
});

test("a disk that fills up within one write is one too", { skip: windows }, () => {
  const file = join(folder, "short");
  const { code, err } = shell(`ulimit -f 1; "$@" >"${file}"; echo $? >&3`, ["policies"]);
  assert.equal(code, 1);
  assert.match(err, /^error: standard output cannot be written: /);
  assert.ok(readFileSync(file).length > 0);
  assert.equal(shell(`"$@" >"${file}"; echo $? >&3`, ["policies"]).code, 0);
  assert.equal(readFileSync(file, "utf8"), shell('"$@"; echo $? >&3', ["policies"]).out);
});

test("standard streams that were closed before the start", { skip: windows }, () => {
  assert.equal(shell('"$@" >&-; echo $? >&3', generate).code, 0);
  const { code, err } = shell('"$@" <&-; echo $? >&3', ["generate"]);
  assert.equal(code, 2);
  assert.match(err, /expected a prompt/);
});
