// Reports by users of other programs of this kind, tried on this one: command lines and terminals. LOG.md has the list.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync } from "node:fs";
import { Writable } from "node:stream";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openBoard } from "../../src/cli/board.ts";
import { cell, oneLine, printable, redraws, tail } from "../../src/cli/terminal.ts";
import type { ChainResult, ScaleEvent } from "../../src/scale/scale.ts";
import { program } from "../support/program.ts";

const question = "A jug holds 7 beads. A can holds 4 jugs and 2 beads. How many beads does a can hold?";
const three = ["--max-tokens", "3"];

test("simonw/llm#245, #871: a prompt that begins with a dash goes after --, and the error says so", () => {
  const plain = program(["generate", ...three, "- how many beads?"]);
  assert.equal(plain.code, 2);
  assert.match(plain.err, /unknown option '- how many beads\?'\n.*begins with a dash goes after --/);
  for (const verb of ["generate", "scale"]) {
    const { code, out } = program([verb, ...three, "--", "- how many beads?"]);
    assert.equal(code, 0);
    assert.ok(out.length > 1);
  }
});

test("cline#9073, httpie#1460: with a prompt given, an open pipe on standard input is not waited for", async () => {
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const child = spawn(process.execPath, [main, "generate", ...three, question], {
    stdio: ["pipe", "ignore", "ignore"],
  });
  const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
  const code = await new Promise((resolve) => child.on("exit", resolve));
  clearTimeout(late);
  child.stdin.end();
  assert.equal(code, 0);
});

test("codex#4721: Ctrl-C ends with 130, not 0", async () => {
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const args = ["scale", "--width", "64", "--no-early-stop", "--temperature", "3", question];
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  child.stdout.once("data", () => child.kill("SIGINT"));
  child.stdout.resume();
  assert.equal(await new Promise((resolve) => child.on("exit", resolve)), 130);
});

test("fd#737: output that cannot be written is an error with words", { skip: !existsSync("/dev/full") }, () => {
  const full = openSync("/dev/full", "w");
  const { code, err } = program(["inspect"], { out: full });
  closeSync(full);
  assert.equal(code, 1);
  assert.match(err, /^error: standard output cannot be written: ENOSPC/m);
});

test("aprender#662, codegraph#1281: nothing but text in a pipe", () => {
  for (const name of ["NO_COLOR", "FORCE_COLOR"]) {
    const { out, err } = program(["scale", "--width", "2", ...three, question], { env: { [name]: "1" } });
    assert.ok(!`${out}${err}`.includes("\x1b"));
  }
});

test("google/wire#183: TERM=dumb is not redrawn", () => {
  const terminal = { isTTY: true } as NodeJS.WriteStream;
  assert.ok(!redraws(terminal, "dumb"));
  assert.ok(redraws(terminal, "xterm"));
});

test("sonar#183, mlx-omni-server#56: --json is JSON, log-probabilities included", () => {
  const { code, out } = program([
    "generate",
    "--json",
    "--logprobs",
    "20",
    ...three,
    "--temperature",
    "1e-30",
    question,
  ]);
  assert.equal(code, 0);
  const { tokenDetails } = JSON.parse(out);
  assert.equal(tokenDetails.length, 3);
  for (const { logprob, top } of tokenDetails)
    assert.ok([logprob, ...top.map((other: { logprob: number }) => other.logprob)].every(Number.isFinite));
});

test("llama.cpp#6294: standard input that is not UTF-8 is refused by name, not garbled", () => {
  const { code, err } = program(["generate", ...three], {
    input: Buffer.from("Wie viele Kugeln f\xfcllen ihn?", "latin1"),
  });
  assert.equal(code, 2);
  assert.match(err, /UTF-8/);
});

test("gemini-cli#8636, cadis#1723: control characters of a reply do not reach a terminal", () => {
  assert.equal(printable("a\x1b[2Kb\x07\x7f\x9b1m\r\n\tc\rd"), "a␛[2Kb␇␡\ufffd1m\r\n\tc␍d");
  const text = "日本語 👩‍👩‍👧‍👦 עברית e\u0301\n";
  assert.equal(printable(text), text);
});

test("llama.cpp#28969: nor those of a checkpoint's names and words", () => {
  assert.equal(oneLine("blk\x1b]8;;https://x\x1b\\.weight\nwrong"), "blk␛]8;;https://x␛\\.weight wrong");
});

test("ollama#1275, opencode#44364: wide characters fill two columns and are never split", () => {
  assert.equal(tail("目前在目录下", 7), "…目录下");
  assert.equal(tail("目前在目录下", 12), "目前在目录下");
  assert.equal(tail(`x${"🤗".repeat(9)}`, 6), "…🤗🤗");
  assert.equal(tail("👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 3), "…👩‍👩‍👧‍👦");
  assert.equal(tail("one\n two\t three", 9), "…wo three");
  assert.equal(cell("目前在", 5), " 目前");
  assert.equal(cell("7", 3), "  7");
});

test("the board keeps its height and its terminal whatever chains say", () => {
  let frame = "";
  const stream = new Writable({
    write(chunk, _encoding, done) {
      frame += chunk;
      done();
    },
  });
  const board = openBoard(
    Object.assign(stream, { isTTY: true, columns: 60, rows: 24 }) as unknown as NodeJS.WriteStream,
  );
  board.show({ type: "start", width: 1, promptTokens: 1, policy: "full" });
  const lines = frame.split("\n").length;
  frame = "";
  const answer = { kind: "answer", text: `\x1b[2J${"数".repeat(50)}\n7`, source: "boxed", key: "7" };
  const result = { chain: 0, tokens: 1, kvReads: 1, answer } as ChainResult;
  board.show({ type: "chain", result } satisfies ScaleEvent);
  assert.ok(!frame.includes("\x1b[2J"), frame);
  assert.ok(frame.split("\n").length <= lines, frame);
});
