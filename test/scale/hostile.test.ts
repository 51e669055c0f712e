// Replies that no model would write, or only to do harm: they cost little, come to an end, and never vote by accident.
import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { extractAnswer } from "../../src/scale/answer.ts";
import { lastBoxes } from "../../src/scale/box.ts";
import { lastNumber } from "../../src/scale/running.ts";
import { finalAnswer, withoutNextTurns } from "../../src/scale/said.ts";

const tags = { open: "<think>", close: "</think>" };
const plain = (text: string) => extractAnswer(text, { thinking: null, finished: true });

test("hostile texts cost little and never vote", () => {
  const n = 200_000;
  const began = performance.now();
  for (const text of [
    "\\boxed{".repeat(n / 7),
    `${"\\boxed{".repeat(n / 14)}${"}".repeat(n)}`,
    "{".repeat(n),
    "}".repeat(n),
    "\\".repeat(n),
    `\\boxed{${"9".repeat(n)}}`,
    `\\boxed${" ".repeat(n)}`,
    "answer ".repeat(n / 7),
    `answer${" ".repeat(n)}`,
    `answer:${"\\(".repeat(n / 2)}`,
    `the answer is ${"*".repeat(n)}`,
    "$".repeat(n),
    `${"$a,".repeat(n / 3)}1x`,
    `${",1".repeat(n / 2)},`,
    `${" ".repeat(n)}x`,
    "(A".repeat(n / 2),
    "<think>".repeat(n / 7),
    "not 1 and ".repeat(n / 10),
  ])
    assert.equal(plain(text).kind, "abstain", text.slice(0, 30));
  assert.deepEqual(plain(`${"x ".repeat(n)}\\boxed{7}`), { kind: "answer", source: "boxed", text: "7", key: "7" });
  assert.ok(performance.now() - began < 5000, `${performance.now() - began} ms`);
});

test("a megabyte of hostile text comes to an end", { timeout: 300_000 }, async () => {
  // Seconds in all; quadratic work takes minutes for one text. Each turn of the loop lets the timeout strike.
  const said =
    "\\boxed1 { } 9 1, 1_ : $ \\ \n####_ \n####_1 \n####_1_Question: << <<1>> ( ** (A \n(A)_1 \nA)_1\n _and_ or_B, \n " +
    "\nQuestion: answer:_ ٤ 1_and_ \\boxed{1}, _ (1 -9 1/ <|im_start|> 答案 wait_1 1/( ✅ \\frac not_ nicht_a_ *a ** ` **1_ <b> 5个 no,_";
  const tagged = '` `a``b ```\n <think> </think> "</think>" <think></think> <th';
  const direct = { thinking: null, finished: true };
  const thought = { thinking: tags, opened: false, finished: true };
  for (const [crumbs, readers] of [
    [said, [lastBoxes, finalAnswer, lastNumber, withoutNextTurns, (text: string) => extractAnswer(text, direct)]],
    [tagged, [(text: string) => extractAnswer(text, thought)]],
  ] as const) {
    const parts = crumbs.split(" ").map((crumb) => crumb.replaceAll("_", " "));
    for (const [i, part] of parts.entries())
      for (const crumb of [part, part + parts[(i + 3) % parts.length]]) {
        const text = crumb.repeat(Math.ceil(1e6 / crumb.length));
        for (const read of readers) read(text);
        await new Promise(setImmediate);
      }
  }
});

test("any text of LaTeX crumbs gives an answer or abstains, with a key that is stable", () => {
  const crumbs = [
    "\\boxed",
    "{",
    "}",
    "\\frac",
    "1",
    "2",
    ",",
    "$",
    "\\(",
    "\\)",
    "=",
    "x",
    " ",
    "%",
    "\\text",
    "-",
    "\\",
    ".",
    "answer: ",
    "\n",
  ];
  const rng = seeded(1);
  let answers = 0;
  for (let i = 0; i < 20_000; i++) {
    const text = Array.from({ length: 1 + rng.below(14) }, () => crumbs[rng.below(crumbs.length)]).join("");
    const e = plain(text);
    if (e.kind === "abstain") continue;
    answers++;
    assert.ok(e.key !== "" && text.includes(e.text), JSON.stringify(text));
  }
  assert.ok(answers > 1000);
});
