// Commands that score chains: real processes, good and hostile.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { type CommandOptions, commandVerifier } from "../../src/scale/verifier/command.ts";
import { scoresIn } from "../../src/scale/verifier/lines.ts";
import { asked, chainsOf } from "../support/verified.ts";

const folder = mkdtempSync(join(tmpdir(), "hyperthink-verifier-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** A program that has the chains in `chains`, and what it makes of them. */
const node = (program: string, options?: CommandOptions) =>
  commandVerifier(
    [
      process.execPath,
      "-e",
      `const chains = require("node:fs").readFileSync(0, "utf8").trim().split("\\n").map((line) => JSON.parse(line));${program}`,
    ],
    options,
  );
const three = chainsOf(["42", "41", "forty\ntwo"]);
const all = (program: string, options?: CommandOptions) => asked(node(program, options), three);
const runs = (pid: number) => {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].startsWith("Z");
  } catch {
    return false;
  }
};
/** A killed process needs a moment to go. */
const gone = async (pid: number) => {
  for (let i = 0; i < 500 && runs(pid); i++) await new Promise((resolve) => setTimeout(resolve, 20));
  return !runs(pid);
};

describe("a command", () => {
  test("reads the chains and prints their scores in order", async () => {
    assert.deepEqual(
      await all("for (const { answer } of chains) console.log(answer === '42' ? 1 : 0.25)"),
      [1, 0.25, 0.25],
    );
    assert.deepEqual(
      await all(
        "for (const { text, reply, prompt } of chains) console.log(JSON.stringify({ score: [text, reply, prompt].join('').length }))",
      ),
      three.map(({ text, reply, prompt }) => [text, reply, prompt].join("").length),
    );
    assert.deepEqual(await all("process.stdout.write('\\n1\\n\\ntrue\\nfalse')"), [1, 1, 0]);
  });

  test("or in any order with their chains, among other lines", async () => {
    assert.deepEqual(
      await all(
        "console.log('loading'); for (const { chain } of chains.reverse()) console.log(JSON.stringify({ chain, score: 1 - chain }))",
      ),
      [1, 0, -1],
    );
  });

  test("may be a line for the shell, and sees only the chains that it is asked about", async () => {
    const verifier = commandVerifier("grep -c . | sed 's/$/0/'");
    assert.equal(verifier.name, "command grep -c . | sed 's/$/0/'");
    assert.deepEqual(await asked(verifier, three.slice(0, 1)), [10]);
    assert.deepEqual(await asked(commandVerifier("exit 3"), []), []);
  });

  test("nonsense costs the votes that it is about", async () => {
    const [nan, text, infinite] = await all('console.log(\'NaN\\n{"score": "high"}\\n1e999\')');
    assert.match(String(nan), /expected a score, got NaN/);
    assert.match(String(text), /expected a finite number as its score, got "high"/);
    assert.match(String(infinite), /got Infinity/);
    for (const why of await all("console.log('1\\n2')"))
      assert.match(String(why), /expected 3 scores, a line each, got 2/);
    for (const why of await all("console.log('1\\n2\\n3\\n4')")) assert.match(String(why), /got 4 lines/);
    for (const why of await all("")) assert.match(String(why), /got 0 lines/);
    for (const why of await all('console.log(\'{"chain":0,"score":1}\\n2\\n3\')'))
      assert.match(String(why), /some scores name their chains/);
    const twice = await all("for (const chain of [0, 1, 1, 7]) console.log(JSON.stringify({ chain, score: 5 }))");
    assert.deepEqual(twice, [5, "the verifier scored it more than once", "the command printed no score of it"]);
  });

  test("that fails keeps the scores that it had printed", async () => {
    for (const why of await all("console.error('first\\nno such model\\u001b[2J'); process.exit(1)"))
      assert.equal(why, "the command ended with exit code 1: no such model\\u{1b}[2J");
    const [first, second, third] = await all("console.log(0.5); process.stdout.write('0.2'); process.exitCode = 7");
    assert.equal(first, 0.5);
    for (const why of [second, third]) assert.equal(why, "the command ended with exit code 7");
    for (const why of await all("console.log('1\\n2\\n3\\n4'); process.exitCode = 2"))
      assert.match(String(why), /exit code 2, after more lines than chains/);
    for (const why of await all("process.kill(process.pid, 'SIGTERM'); setTimeout(() => {}, 1e6)"))
      assert.equal(why, "the command ended by SIGTERM");
    for (const why of await asked(commandVerifier(["/no/such/program"]), three))
      assert.match(String(why), /could not be run: spawn .*ENOENT/);
    for (const why of await asked(commandVerifier("/no/such/program"), three))
      assert.match(String(why), /exit code 127/);
  });

  test("that reads nothing is one all the same", async () => {
    const long = chainsOf(Array.from({ length: 40 }, () => "x".repeat(100_000)));
    const scores = await asked(commandVerifier("seq 40"), long);
    assert.deepEqual(
      scores,
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
  });

  test("that hangs is ended with all its processes, and keeps the scores that it had printed", async () => {
    const pids = join(folder, "pids");
    const started = performance.now();
    const verifier = commandVerifier(`echo 0.5; sleep 1000 & echo $! $$ > ${pids}; trap "" TERM; sleep 1000`, {
      limit: 3,
    });
    const [first, ...others] = await asked(verifier, three);
    assert.equal(first, 0.5);
    for (const why of others) assert.equal(why, "the command did not end within 3 s");
    assert.ok(performance.now() - started < 60_000);
    for (const pid of readFileSync(pids, "utf8").trim().split(" ")) assert.ok(await gone(Number(pid)), pid);
  });

  test("that leaves a process behind is not waited for", async () => {
    const pids = join(folder, "left");
    const started = performance.now();
    assert.deepEqual(await asked(commandVerifier(`sleep 1000 & echo $! > ${pids}; seq 3`), three), [1, 2, 3]);
    assert.ok(await gone(Number(readFileSync(pids, "utf8"))));
    // One that has left its group and holds its output is out of reach.
    const away = commandVerifier(`setsid sh -c 'echo $$ > ${pids}; exec sleep 1000' & sleep 0.5; seq 3`);
    assert.deepEqual(await asked(away, three), [1, 2, 3]);
    process.kill(Number(readFileSync(pids, "utf8")));
    assert.ok(performance.now() - started < 60_000);
  });

  test("that prints without end is ended", async () => {
    for (const program of ["yes 1", "yes 1 | tr -d '\\n'"])
      for (const why of await asked(commandVerifier(program, { limit: 100 }), three))
        assert.match(String(why), /printed more than 4 MiB/);
    const [why] = await asked(commandVerifier("yes no >&2", { limit: 0.5 }), three);
    assert.match(String(why), /did not end within 0.5 s/);
  });

  test("is ended when the call is", async () => {
    const pids = join(folder, "aborted");
    const controller = new AbortController();
    const asking = asked(commandVerifier(`echo $$ > ${pids}; sleep 1000`), three, controller.signal);
    while (!existsSync(pids) || readFileSync(pids, "utf8") === "")
      await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort(new Error("enough"));
    await assert.rejects(asking, /enough/);
    const pid = Number(readFileSync(pids, "utf8"));
    assert.ok(await gone(pid));
    await assert.rejects(asked(commandVerifier("seq 3"), three, AbortSignal.abort(new Error("before"))), /before/);
  });

  test("that is none is refused", () => {
    for (const [command, options, words] of [
      ["", {}, /expected a program, got nothing/],
      [[], {}, /expected a program/],
      ["true", { limit: 0 }, /seconds above 0 .* got 0/],
      ["true", { limit: Number.NaN }, /got NaN/],
    ] as const)
      assert.throws(
        () => commandVerifier(command, options),
        (error) => error instanceof HyperthinkError && error.code === "bad-argument" && words.test(error.message),
      );
  });
});

test("lines of random bytes never throw, and each chain is answered", () => {
  for (const text of [
    "[]",
    "null",
    '{"chain":null,"score":null}',
    '{"chain":"0","score":1}',
    "[[[[",
    "\u0000",
    "-",
    "0x10",
  ]) {
    const scores = scoresIn([text, text, ""], [4, 9], null);
    assert.deepEqual(
      scores.map(({ chain }) => chain),
      [4, 9],
    );
    for (const score of scores) assert.ok("why" in score, text);
  }
  assert.deepEqual(scoresIn(['{"chain":9,"score":2}'], [4, 9], "it broke"), [
    { chain: 4, why: "it broke" },
    { chain: 9, score: 2 },
  ]);
});
