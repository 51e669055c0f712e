// Reports by users of other graders, tried on this one's answers and keys. LOG.md has the list.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { extractAnswer } from "../../src/scale/answer.ts";
import { answerKey } from "../../src/scale/key.ts";

/** The key of a reply, or ABSTAIN. */
const key = (text: string): string => {
  const answer = extractAnswer(text, { thinking: null, finished: true });
  return answer.kind === "answer" ? answer.key : "ABSTAIN";
};

describe("answers", () => {
  const cases: [report: string, reply: string, want: string][] = [
    ["omlx#3484", "The total is 72 clips, altogether.", "72"],
    ["lm-evaluation-harness#3214", "The total cost of Rory's delivery order is $29.00.", "29"],
    [
      "opencompass#2343",
      "Profit:\n\n$200,000 - $130,000 = $70,000\n\n**Answer:** Josh made a profit of **$70,000**.",
      "70000",
    ],
    [
      "tinker-cookbook#903",
      "First attempt gives \\boxed{5}. That is wrong; correcting, the answer is \\boxed{7}.",
      "7",
    ],
    ["Math-Verify#57", "The answer is \\boxed{1}. Yeah, so the reason why it is \\boxed{1} is this.", "1"],
    ["ms-swift#10147", "\\boxed{\\frac{1}{2}}", "1/2"],
    ["simple-evals#33", "Antwort:\n\nAntwort: C\n\nAnswer: A\nAnswer: C", "C"],
    ["openbench#348", "The calculated answer is 11.\n\nAnswer seems to be A.\n\nAnswer: A", "A"],
    ["omlx#3668", "The answer is B. Note that A is a common distractor.", "B"],
    ["omlx#3668, I", "The answer is C because I computed the integral.", "C"],
    ["lm-evaluation-harness#4188", "The answer is B because a car moves.", "B"],
    ["benchmark-harness#84", "The codon is ATG (M).\nAnswer: $B", "B"],
    ["MMLU-Pro#7", "A perfect answer cannot be found.", "ABSTAIN"],
    ["MMLU-Pro#7, two letters", "The answer might be C. Also Answer could be (F). Dog is not an answer.", "ABSTAIN"],
    ["promptfoo#9142", "work \\boxed{\\frac{1}{\\sqrt{2}}}, final answer: 3", "3"],
    ["Skills#1526", "The uncertainty \\boxed{\\Delta E} is small.\nAnswer: C", "C"],
  ];
  for (const [report, reply, want] of cases) test(report, () => assert.equal(key(reply), want));
});

describe("answers that differ have keys that differ", () => {
  const cases: [report: string, a: string, b: string][] = [
    ["Math-Verify#14", "\\frac{1}{2004!}", "\\frac{1}{2006!}"],
    ["Math-Verify#14, powers", "\\frac{1}{2^{99}}", "\\frac{1}{2^{98}}"],
    ["Math-Verify#14, lists", "n=2, 3, 4", "n=1, 2, 3"],
    ["Math-Verify#14, intervals", "D = (0, 1)", "D = (0, 1.5)"],
    ["Math-Verify#14, signs", "1 - \\frac{1}{\\mathrm{e}}", "1 + \\frac{1}{\\mathrm{e}}"],
    ["Math-Verify#14, both signs", "\\pm 2021", "2021"],
    ["Math-Verify#14, ratios", "1:2:3:\\ldots", "1:4:9:\\ldots"],
    ["Math-Verify#60", "3*x-1*y+13=0", "3x + 4y + 14=0"],
    ["ms-swift#10147", "\\frac{1}{23}", "\\frac{12}{3}"],
    ["khan-exercises#119543", "0.83...", "0.83"],
    ["khan-exercises#119543, as TeX", "0.83\\ldots", "0.83"],
  ];
  for (const [report, a, b] of cases) test(report, () => assert.notEqual(answerKey(a), answerKey(b)));
});

describe("spellings of one answer share a key", () => {
  const cases: [report: string, a: string, b: string][] = [
    ["Math-Verify#1", "\\frac{2}{3}", "2/3"],
    ["Math-Verify#2", "(1,4.5)", "(1,\\frac{9}{2})"],
    ["Math-Verify#37", "\\text{13}", "13"],
    ["lm-evaluation-harness#3254", "$29.00", "29"],
  ];
  for (const [report, a, b] of cases) test(report, () => assert.equal(answerKey(a), answerKey(b)));
});

test("numeric-quantity#49: hostile texts come to an end", { timeout: 60_000 }, () => {
  const hostile = [
    `${"1".repeat(60_000)}!`,
    "\\boxed{".repeat(9000),
    `answer:${" ".repeat(60_000)}`,
    "1,".repeat(30_000),
  ];
  for (const text of [...hostile, `\\boxed{10^{10^{10}}}`, `${"$".repeat(60_000)}1`, "= 1 ".repeat(16_000)]) {
    assert.equal(typeof key(text), "string", text.slice(0, 20));
  }
});
