import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { type Extraction, extractAnswer } from "../../src/scale/answer.ts";

const tags = { open: "<think>", close: "</think>" };
const plain = (text: string, finished = true) => extractAnswer(text, { thinking: null, finished });
const show = (e: Extraction) => (e.kind === "answer" ? `${e.source} ${e.key}` : e.reason);

/** Text, what comes of it. */
function table(rows: [string, string][], options?: Parameters<typeof extractAnswer>[1]): void {
  for (const [text, want] of rows)
    assert.equal(show(extractAnswer(text, options ?? { thinking: null, finished: true })), want, JSON.stringify(text));
}

test("the last balanced box, braces nested or escaped", () => {
  table([
    ["so \\boxed{1}, no, \\boxed{2}.", "boxed 2"],
    ["\\boxed{\\frac{1}{2}}", "boxed 1/2"],
    ["\\boxed{\\{1, 2\\}}", "boxed \\{1,2\\}"],
    ["\\boxed{ \\} }", "boxed \\}"],
    ["\\fbox{7}", "boxed 7"],
    ["\\boxed {7}", "boxed 7"],
    ["\\boxed{\\boxed{7}}", "boxed 7"],
    ["\\boxed{5} then \\boxed{7", "boxed 5"], // the last one is not balanced
    ["\\boxed{x = \\boxed{5}", "boxed 5"],
    ["} } \\boxed{5} }", "boxed 5"],
    ["{ { \\boxed{5}", "boxed 5"],
    ["I give \\boxed{5}. Format: \\boxed{} or \\boxed{...}", "boxed 5"], // placeholders
    ["\\boxed{", "no-answer"],
    ["\\boxedness{5} is no box", "no-answer"],
    ["The final answer is 3, boxed \\boxed{4}", "boxed 4"],
  ]);
  const e = plain("\\boxed{ x = \\tfrac12 }");
  assert.deepEqual(e, { kind: "answer", text: "x = \\tfrac12", source: "boxed", key: "1/2" });
});

test("nothing within the thinking is an answer", () => {
  const at = (finished: boolean) => ({ thinking: tags, finished });
  table(
    [
      ["maybe \\boxed{1}\n</think>\n\\boxed{2}", "boxed 2"], // the prompt opened it
      ["<think>\n\\boxed{1}\n</think>\nThe answer is 2.", "final-answer 2"],
      ["<think>\n\\boxed{1}\n</think>\nHm.", "no-answer"],
      ["\\boxed{1}</think>", "no-answer"],
      ["<think> a </think> \\boxed{1} <think> again \\boxed{2} </think> \\boxed{3}", "boxed 3"],
      ["<think> a </think> \\boxed{1} <think> again", "cut-off-thinking"],
      ["\\boxed{1}", "cut-off-thinking"],
      ["the answer is 5", "cut-off-thinking"],
      ["", "cut-off-thinking"],
    ],
    at(true),
  );
  table([["x </think> \\boxed{12}", "boxed 12"]], at(false));
  const direct = { thinking: tags, opened: false, finished: true };
  table(
    [
      ["\\boxed{1}", "boxed 1"], // a model that opens its thinking itself, and did not think
      ["<think>\\boxed{1}", "cut-off-thinking"],
      ["<think>1</think> so 4", "last-number 4"],
    ],
    direct,
  );
});

test("a chain cut off in its answer gets no fall-back", () => {
  const cut = { thinking: null, finished: false };
  table(
    [
      ["The answer is 12", "no-answer"], // of 120, perhaps
      ["so 12", "no-answer"],
      ["\\boxed{12", "no-answer"],
      ["\\boxed{12} because", "boxed 12"],
    ],
    cut,
  );
});

test("the final answer in words", () => {
  table([
    ["Final Answer: The final answer is $12$. I hope it is correct.", "final-answer 12"],
    ["The final answer is 12,000,023. I hope it is correct.", "final-answer 12000023"],
    ["**Answer:** 3.5", "final-answer 7/2"],
    ["**Final Answer**: 7", "final-answer 7"],
    ["### Answer:\n\n$x = -\\frac{3}{4}$", "final-answer -3/4"],
    ["Answer \\( 9 \\)", "final-answer 9"],
    ["The answer is:\n\\[\n 42 \n\\]", "final-answer 42"],
    ["Answer: (B)", "final-answer B"],
    ["The answer is B.", "final-answer B"],
    ["Therefore the answer is 42!", "final-answer 42"],
    ["The answer is $5!$", "final-answer 5!"],
    ["**Answer: 12**<|im_end|>", "final-answer 12"],
    ["The answer is therefore 25", "final-answer 25"],
    ["Correct answer: C) 12", "final-answer C"],
    ["Answer: no solution", "final-answer no solution"],
    ["The answer is 5 because 2 + 3 is not 6.", "final-answer 5"],
    ["The answer is 5. Check: the answer is correct, as 2 + 3 = 5", "final-answer 5"],
    ["The answer is $5$ or $6$.", "final-answer 5or6"],
    ["The answer is unclear.", "no-answer"],
    ["The answer is a mystery", "no-answer"],
    ["Final Answer: The largest $n$ is 34.", "last-number 34"],
  ]);
});

test("the last number stands alone or is none", () => {
  table([
    ["Thus he has 18 apples.", "last-number 18"],
    ["so 5 + 3 = 8 apples", "last-number 8"],
    ["It costs $7.78 for her.", "last-number 389/50"],
    ["she earns \\$1,250 a week", "last-number 1250"],
    ["it grew by 28 percent.", "last-number 7/25"],
    ["it is -3", "last-number -3"],
    ["a length of 15cm", "last-number 15"],
    ["$1 + 2 \\times 9 = 1 + 18 = 19$ points", "last-number 19"],
    ["we get $x = \\frac{3}{4}$.", "last-number 3/4"],
    ["$$\nx = 3\n$$", "last-number 3"],
    ["1/3", "last-number 1/3"],
    ["Thus \\(x\\approx 11\\)", "last-number 11"],
    ["- 1st\n- total: **12**", "last-number 12"],
    // Each of these holds digits that say something else.
    ["$2x + z = 1$", "final-answer 2x+z=1"],
    ["so 2x + z = 1", "no-answer"],
    ["The solution is $x \\leq 5$", "no-answer"],
    ["The solution is x >= 5", "no-answer"],
    ["1. First\n2. Second", "no-answer"],
    ["Step 1: foo. Step 2: bar", "no-answer"],
    ["I did that. See section 2.", "no-answer"],
    ["the year 2024-05-01", "no-answer"],
    ["the pair (3, 4)", "no-answer"],
    ["the domain is [0, 9)", "no-answer"],
    ["they are 1, 2, 3", "no-answer"],
    ["AZYUK2A", "no-answer"],
    ["by lemma2", "no-answer"],
    ["this is 5x", "no-answer"],
    ["it is 3 \\times 10^8", "no-answer"],
    ["this is 5 - 3", "no-answer"],
    ["Answer \\( \n 9 \n \\)", "no-answer"], // inline math does not span lines, as Math-Verify has it
  ]);
});

test("a lone formula, a lone choice", () => {
  table([
    ["$(3,2)$", "final-answer (3,2)"],
    ["\\[ x > b \\]", "final-answer x>b"],
    ["The right one is (C).", "choice C"],
    ["Neither.\n**B**", "choice B"],
    ["I pick option D", "choice D"],
    ["Both (A) and (B) hold", "no-answer"],
    ["I do not know.", "no-answer"],
    ["A cat", "no-answer"],
    ["(K)", "no-answer"],
    ["Indeed", "no-answer"],
  ]);
});

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
  ])
    assert.equal(plain(text).kind, "abstain", text.slice(0, 30));
  assert.equal(show(plain(`${"x ".repeat(n)}\\boxed{7}`)), "boxed 7");
  assert.ok(performance.now() - began < 5000, `${performance.now() - began} ms`);
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
