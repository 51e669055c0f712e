import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { evaluate, spelledPlainly } from "../../src/eval/tasks/arithmetic.ts";
import { makes24 } from "../../src/eval/tasks/game24.ts";
import { makeTask } from "../../src/eval/tasks/index.ts";
import type { VoteTask } from "../../src/eval/tasks/task.ts";
import { reply, scoreOf } from "../support/reply.ts";

const value = (text: string) => {
  const found = evaluate(text);
  return found && `${found.value.top}/${found.value.bottom}`;
};

test("expressions are exact, and nothing else is one", () => {
  for (const [text, want] of [
    ["1 + 2 * 3", "7/1"],
    ["(1 + 2) * 3", "9/1"],
    ["8 / (3 - 8 / 3)", "24/1"],
    ["1 - 2 - 3", "-4/1"],
    ["8 / 2 / 2", "2/1"],
    ["-(2 - 5)", "3/1"],
    ["1/3 + 1/6", "1/2"],
    ["\\frac{8}{3 - \\frac{8}{3}}", "24/1"],
    ["\\dfrac12 \\times \\left(3 \\cdot 4\\right) \\div 6", "1/1"],
    ["$6 × [4 − 2] ÷ 3$", "4/1"],
    ["100000000000000 * 100000000000000", "10000000000000000000000000000/1"],
  ])
    assert.equal(value(text), want, text);
  for (const text of [
    "",
    "1 +",
    "(1",
    "1)",
    "1 2",
    "2^3",
    "2**3",
    "4!",
    "1.5",
    "sqrt(4)",
    "x + 1",
    "1 / (2 - 2)",
    "()",
    "1 = 1",
  ])
    assert.equal(evaluate(text), null, text);
  assert.equal(evaluate("(".repeat(1e6)), null);
  assert.equal(evaluate(`${"(".repeat(150)}1${")".repeat(150)}`)?.value.top, 1n);
  assert.equal(spelledPlainly(" ( 1+2 ) × 3 "), "(1+2)*3");
});

test("random expressions agree with JavaScript's own arithmetic", () => {
  const rng = seeded(9);
  const random = (depth: number): string =>
    depth === 0 || rng.next() < 0.2
      ? String(1 + rng.below(13))
      : `(${random(depth - 1)}${"+-*/"[rng.below(4)]}${random(depth - 1)})`;
  let undefinedOnes = 0; // floats divide by what is zero but for rounding, and by infinity
  for (let i = 0; i < 2000; i++) {
    const text = random(4);
    const native = Number(new Function(`return ${text};`)());
    const found = evaluate(text);
    if (found === null) {
      undefinedOnes++;
      continue;
    }
    const exact = Number(found.value.top) / Number(found.value.bottom);
    assert.ok(Math.abs(exact - native) <= 1e-9 * Math.max(1, Math.abs(native)), text);
  }
  assert.ok(undefinedOnes < 100, `${undefinedOnes}`);
});

test("24 of the right numbers, each once", () => {
  assert.ok(makes24("4 4 6 8", "(4 + 8) * (6 - 4)"));
  assert.ok(makes24("3 3 8 8", "8 / (3 - 8 / 3)")); // 23.999.. in floats
  assert.ok(!makes24("4 4 6 8", "4 * 6"));
  assert.ok(!makes24("4 4 6 8", "(4 + 8) * (6 - 4) + 0"));
  assert.ok(!makes24("1 1 11 11", "11 + 11 + 1 + 1 - 0"));
  assert.ok(makes24("1 1 11 11", "11 + 11 + 1 + 1"));
  assert.ok(!makes24("4 4 6 8", "4 * 4 + 8"));
  assert.ok(!makes24("4 4 6 8", "44 - 6 - 8"));
  assert.ok(!makes24("4 4 6 8", "4 + 4 + 6 + 8"));
  assert.ok(!makes24("2 4 4 4", "4 ** 2 + 4 + 4"));
});

test("Game of 24: the file's hard games, the expression where a reply puts it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hyperthink-24-"));
  const row = (puzzle: string, i: number) => `${i + 1},${puzzle},4.4,99%,4.6,1.4`;
  const csv = (puzzles: string[]) =>
    `Rank,Puzzles,AMT (s),Solved rate,1-sigma Mean (s),1-sigma STD (s)\n${puzzles.map(row).join("\n")}\n`;
  const puzzles = Array.from({ length: 1010 }, (_, i) => (i === 900 ? "4 4 6 8" : `1 1 ${(i % 13) + 1} 11`));
  try {
    const file = join(folder, "24.csv");
    writeFileSync(file, csv(puzzles));
    const task = makeTask("game24") as VoteTask;
    const items = await task.items({ data: folder });
    assert.equal(items.length, 100);
    const [item] = items;
    assert.deepEqual(item, { id: "901", question: "4 4 6 8", gold: "24" });
    assert.equal((await (makeTask("game24:from=1,to=5") as VoteTask).items({ data: file })).length, 5);
    assert.match(task.ask(item, "chat").prompt as string, /numbers 4, 4, 6, 8, each exactly once/);
    const { raw } = task.ask(item, "text").prompt as { raw: string };
    assert.equal(raw.match(/^Answer: .* = 24$/gm)?.length, 5);
    for (const shot of raw.matchAll(/^Input: (.*)\nAnswer: (.*) = 24$/gm))
      assert.ok(makes24(shot[1], shot[2]), shot[0]);
    assert.ok(raw.endsWith("\nInput: 4 4 6 8\n"));
    for (const [text, score] of [
      ["So \\boxed{(4 + 8) \\times (6 - 4)}.", 1],
      ["\\boxed{(4+8)(6-4)}", 0], // no sign of an operation
      ["\\boxed{(4 + 8) * (6 - 4) = 24}", 1],
      ["Try.\nAnswer: (4 + 8) * (6 - 4) = 24", 1],
      ["**Answer:** `(4 + 8) * (6 - 4)`", 1],
      ["4 + 8 = 12 (left: 4 6 12)\n(4 + 8) * (6 - 4) = 24", 1],
      ["Answer: 4 * 6 = 24", 0],
      ["It cannot be done.", null],
      ["", null],
    ] as const)
      assert.equal(await scoreOf(task, item, text), score, text);
    assert.equal(
      await scoreOf(task, item, "Answer: (4 + 8) * (6 - 4) = 24\nInput:", { style: "text", finished: true }),
      1,
    );
    assert.equal(await scoreOf(task, item, "so (4 + 8) * (6 - 4)", { finished: false }), null);
    const key = (text: string) => (task.extract(item, reply(text)) as { key: string }).key;
    assert.equal(key("\\boxed{(4+8) \\cdot (6-4)}"), key("Answer: (4 + 8) * (6 - 4) = 24"));

    const refused = (spec: string, message: RegExp, code = "bad-argument") =>
      assert.rejects((makeTask(spec) as VoteTask).items({ data: file }), { code, message });
    assert.throws(() => makeTask("game24:from=5,to=4"), /expected from to be at most to, got from=5, to=4/);
    await refused("game24:to=2000", /1 to 1010/);
    writeFileSync(file, csv(puzzles.with(3, "1 2 3")));
    await refused("game24", /row 4: expected four numbers/, "bad-file");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
