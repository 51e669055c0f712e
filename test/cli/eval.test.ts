// `eval` as a user runs it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { standingTable, statusLine, summaryTable } from "../../src/cli/eval-board.ts";
import type { StandingRow, SummaryRow } from "../../src/eval/harness/standing.ts";
import { withFolder } from "../support/checkpoint.ts";
import { program } from "../support/program.ts";
import { chainsOf, headOf } from "../support/records.ts";

const beads = fileURLToPath(new URL("../../models/beads", import.meta.url));
const run = (out: string, ...args: string[]) =>
  program(["eval", "--model", beads, "--threads", "1", "--out", out, ...args]);
const task = ["--task", "beads:low=2,high=3,distractors=1", "--limit", "4"];

describe("eval", () => {
  test("a table on standard output, progress beside it; again as JSON, from the record", () =>
    withFolder({}, async (folder) => {
      const out = join(folder, "runs/one");
      const settings = ["--policy", "full", "--policy", "tova", "--budget", "200-2-1,200-2-4"];
      const first = run(out, ...task, ...settings);
      assert.equal(first.code, 0, first.err);
      const rows = first.out.trimEnd().split("\n");
      assert.match(
        rows[0],
        /^\* best for its reads +problems +avg@1 \[95%\] +together \[95%\] +CR +reads +tokens +cut off +no answer/,
      );
      assert.equal(rows[2], "beads:low=2,high=3,distractors=1");
      assert.match(rows[3], /^\* tova 200-2-4 +4 /); // the cheaper one
      assert.match(rows[4], /^[* ] full 200-2-1 +4 +[\d.]+ \[.*maj@2 [\d.]+ \[.* 1\.00 /);
      assert.match(first.err, /note: left out: full 200-2-4 \(.*\); tova 200-2-1 \(/);
      assert.match(first.err, /^0 of 16 chains$/m);
      assert.match(first.err, /^16 of 16 chains, [\d,]+ tokens\/s$/m);
      assert.match(first.err, /\[16 chains in .*runs\/one, \d+ s\]/);
      const again = run(out, ...task, ...settings, "--json");
      assert.equal(again.out.split("\n").length, 2);
      const told = JSON.parse(again.out);
      assert.deepEqual([told.out, told.chains, told.rows.length], [out, 16, 2]);
      assert.equal(told.rows[0].task, "beads:low=2,high=3,distractors=1");
      assert.ok(told.rows[0].average.mean >= told.rows[0].average.low);
      assert.doesNotMatch(again.err, /tokens\/s/); // nothing was left to do
    }));

  test("thinking is cut before each length, so that chains of all lengths answer", () =>
    withFolder({}, async (folder) => {
      const out = join(folder, "run");
      const { code, err } = run(out, ...task, "--policy", "full", "--budget", "40-2-1,80-2-1", "--think-room", "16");
      assert.equal(code, 0, err);
      assert.deepEqual(
        headOf(out).settings.map(({ length, thinkMost }) => [length, thinkMost]),
        [
          [40, 24],
          [80, 64],
        ],
      );
      const answered = chainsOf(out).filter(({ answer }) => answer !== null).length;
      assert.ok(answered >= 12, `${answered} of 16 chains answer`);
    }));

  test("a file and a module of one's own, settings by name, options of chains", () =>
    withFolder({}, async (folder) => {
      const file = join(folder, "mine.jsonl");
      writeFileSync(file, '{"id": "a", "question": "A jug holds 7 beads. How many does it hold?", "answer": 7}\n');
      const module = join(folder, "other.ts");
      writeFileSync(
        module,
        `export default { name: "other", by: "pass", items: async () => [{ id: "b", question: "A jug holds 5 beads.", gold: "5" }],
          extract: (_: unknown, { text }: { text: string }) => ({ kind: "answer", text, key: "any" }), grade: async () => 1 };`,
      );
      const out = join(folder, "run");
      const own = `jug=${beads}:full:60-2-1`;
      const draw = ["--temperature", "0.5", "--think-most", "20", "--stop", "zz", "--seed", "4", "--context", "200"];
      const {
        code,
        out: said,
        err,
      } = program([
        ...["eval", "--task", file, "--task", module, "--setting", own, "--threads", "1", "--out", out, ...draw],
      ]);
      assert.equal(code, 0, err);
      assert.match(said, /pass@2 100\.0/);
      const head = headOf(out);
      assert.deepEqual(
        head.tasks.map(({ name, kind }) => [name, kind]),
        [
          ["mine", "vote"],
          ["other", "pass"],
        ],
      );
      assert.deepEqual([head.seed, head.settings[0].id, head.settings[0].length], [4, "jug", 60]);
      const { temperature, thinkMost, stop, context, topP, style } = head.sampling;
      assert.deepEqual([temperature, thinkMost, stop, context, topP, style], [0.5, 20, '["zz"]', 200, null, "chat"]);
      assert.equal(chainsOf(out).length, 4);
    }));

  test("errors are one line and an exit code, before anything is made", () =>
    withFolder({}, async (folder) => {
      const out = join(folder, "run");
      const refused = (args: string[], message: RegExp, expected = 2) => {
        const { code, err } = run(out, ...args);
        assert.match(err, message);
        assert.equal(code, expected, err);
        assert.ok(!existsSync(out));
      };
      refused([...task], /error: expected --budget LENGTH-WIDTH-CR such as 1k-8-4, got none/);
      refused([...task, "--budget", "1k-8"], /expected LENGTH-WIDTH-CR/);
      refused([...task, "--budget", "64-2-1", "--policy", "dms"], /error: dms: policy dms needs gates/);
      refused([...task, "--budget", "8k-2-1"], /the context of beads, 4096 tokens, has no room/);
      const moot = /note: --think-most 64 cuts nothing of chains that end at 64 tokens: expected fewer/;
      refused([...task, "--budget", "64-2-1,8k-2-1", "--think-most", "64"], moot);
      const room = ["--think-room", "16"];
      refused(
        [...task, "--budget", "64-2-1", "--think-most", "9", ...room],
        /--think-room says .*leave out --think-most/,
      );
      refused([...task, "--budget", "16-2-1", ...room], /room for an answer: expected 1 to 15 of 16 tokens, got 16/);
      refused(
        ["--task", "beads:low=4,high=3", "--budget", "64-2-1"],
        /expected low to be at most high, got low=4, high=3/,
      );
      refused([...task, "--setting", "x"], /expected NAME=MODEL/);
      refused(["--task", "nothing", "--budget", "64-2-1"], /unknown task "nothing"/);
      refused(["--task", `${folder}/none.ts`, "--budget", "64-2-1"], /expected a module with a task/, 1);
      refused(["--task", "gsm8k", "--data", `${folder}/none`, "--budget", "64-2-1"], /expected a file, or a folder/, 1);
      const two = ["--task", "gsm8k", "--budget", "64-2-1", "--data", "a", "--data"];
      refused([...two, "b"], /--data: expected one path for all tasks, others as TASK=PATH, got a and b/);
      refused([...two, "gsm8k=b", "--data", "gsm8k=c"], /--data: expected one path for gsm8k, got b and c/);
      refused([...two, "gsm8k=b"], /error: b: expected a file, or a folder/, 1);
      assert.match(
        program(["eval", "--help"]).out,
        /^Tasks \(hyperthink tasks NAME .*\):$.*^ {2}humaneval +packages +HumanEval: /ms,
      );
    }));

  test("Ctrl-C says the command that goes on, and it does", () =>
    withFolder({}, async (folder) => {
      const out = join(folder, "my run");
      const args = ["eval", "--task", "beads:low=6,high=8", "--limit", "30", "--budget", "400-8-1", "--threads", "1"];
      const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
      const child = spawn(process.execPath, [main, ...args, "--out", out], { stdio: ["ignore", "ignore", "pipe"] });
      let said = "";
      for await (const text of child.stderr.setEncoding("utf8")) {
        said += text;
        if (/0 of 240 chains/.test(text)) setTimeout(() => child.kill("SIGINT"), 300);
      }
      const code = child.exitCode ?? (await once(child, "exit"))[0];
      assert.equal(code, 130, said);
      assert.match(
        said,
        /error: stopped; this goes on from there: hyperthink eval --task beads:low=6,high=8 .*--out '.*my run'$/m,
      );
      const { code: after, out: table } = program([...args, "--out", out]);
      assert.equal(after, 0);
      assert.match(table, /^\* full 400-8-1 +30 /m);
      assert.equal(chainsOf(out).length, 240);
    }));
});

test("a status line tells what it knows", () => {
  assert.equal(statusLine({ chains: 960, done: 0, found: 0, tokens: 0 }, 0), "0 of 960 chains");
  assert.equal(
    statusLine({ chains: 960, done: 132, found: 12, tokens: 42_100 }, 10),
    "132 of 960 chains, 4,210 tokens/s, 69 s left".replace("69 s", "1 min"),
  );
  assert.equal(statusLine({ chains: 9, done: 9, found: 0, tokens: 90 }, 9), "9 of 9 chains, 10 tokens/s");
});

test("the result's table: accuracies in percent, perplexities as they are, names made visible", () => {
  const row: SummaryRow = {
    ...{ task: "t\u001b[2J", setting: "full", problems: 2, of: 2, width: 4, by: "pass", cr: 2.5, reads: 1234.4 },
    ...{ average: { mean: 0.5, low: 0.25, high: 1 }, joint: { mean: 1, low: 0.4, high: 1 } },
    ...{ tokens: 9.6, abstained: 1, truncated: 2, failed: 3, looped: 4 },
  };
  const text: SummaryRow = {
    ...row,
    ...{ task: "texts", by: "perplexity", average: { mean: 12.3456, low: 11, high: 13 }, joint: null },
  };
  const lines = summaryTable([row, { ...row, setting: "dms", reads: 2000 }, text]).split("\n");
  assert.equal(lines[2], "t\\u{1b}[2J");
  const cells = lines.map((line) => line.trim().split(/ {2,}/));
  assert.deepEqual(cells[3], [
    "* full",
    "2",
    "50.0 [25.0, 100.0]",
    "pass@4 100.0 [40.0, 100.0]",
    "2.50",
    "1,234",
    "10",
    "2",
    "1",
    "3",
    "4",
  ]);
  assert.equal(cells[4][0], "dms");
  assert.equal(lines[5], "texts");
  assert.deepEqual(cells[6].slice(2, 4), ["12.346 [11.000, 13.000]", "-"]);
});

test("a frontier as it forms: the cheapest first, and a mark where no cheaper setting of a task scores as well", () => {
  const row = (
    setting: string,
    reads: number,
    joint: number | null,
    other: Partial<StandingRow> = {},
  ): StandingRow => ({
    ...{ task: "t", setting, problems: 2, of: 4, width: 2, by: "vote", average: joint, joint, cr: 1, reads, tokens: 9 },
    ...{ abstained: 0, truncated: 0, failed: 0, looped: 0 },
    ...other,
  });
  const text = (setting: string, reads: number, average: number) =>
    row(setting, reads, null, { task: "texts", by: "perplexity", average });
  const rows = [
    row("dear", 900, 0.7),
    row("none yet", 0, null, { problems: 0 }),
    row("cheap", 100, 0.5, { average: 0.1 }), // by what its chains score together
    row("worse", 400, 0.4, { average: 0.9 }),
    row("no better", 300, 0.5),
    row("as dear", 900, 0.6),
    row("nothing right", 10, 0),
    text("high", 50, 12),
    text("low", 60, 9),
  ];
  const lines = standingTable(rows)
    .split("\n")
    .map((line) => line.split(/ {2,}\d/)[0]);
  assert.match(lines[0], /^\* best for its reads/);
  assert.deepEqual(lines.slice(2), [
    "t",
    ...["  nothing right", "* cheap", "  no better", "  worse", "* dear", "  as dear", "  none yet"],
    "texts",
    ...["* high", "* low"],
  ]);
});
