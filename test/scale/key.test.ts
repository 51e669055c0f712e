import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { extractAnswer } from "../../src/scale/answer.ts";
import { answerKey } from "../../src/scale/key.ts";

test("equal on sight: one key a line", () => {
  for (const line of [
    [
      "5",
      "+5",
      "05",
      "5.0",
      "5.",
      " 5 ",
      "$5$",
      "\\(5\\)",
      "\\[5\\]",
      "10/2",
      "\\frac{10}{2}",
      "\\dfrac{10}2",
      "x = 5",
      "x=5.",
      "\\text{5}",
      "**5**",
      "(5)",
      "{5}",
      "\\boxed{5}",
      "500%",
      "5 beads",
      "\\$5",
      "x_1 = 5",
      "f = 5",
      "\\approx 5",
    ],
    [
      "1/2",
      "\\frac12",
      "\\frac 1 2",
      "\\tfrac{1}{2}",
      "0.5",
      ".5",
      "0.50",
      "50\\%",
      "50%",
      "50 percent",
      "2/4",
      "\\left(\\frac{1}{2}\\right)",
      "\\frac{-1}{-2}",
      "\\frac{0.5}{1}",
    ],
    ["-10/9", "-\\frac{10}{9}", "\\frac{-10}{9}", "\\frac{10}{-9}", "− 10/9", "\\alpha = -\\frac{20}{18}"],
    [
      "12345678",
      "12,345,678",
      "12{,}345{,}678",
      "12,\\!345,\\!678",
      "12 345 678",
      "12\\,345\\,678",
      "12{, }345{ ,}678",
    ],
    ["0", "-0", "0.00", "0/7", "0%"],
    ["90", "90^\\circ", "90^{\\circ}", "90°", "90 degrees", "90\\degree"],
    ["\\text{Even}", "even", "Even."],
    ["C", "(C)", "\\text{(C)}", "\\text{C}", "C."],
    ["(1, 4.5)", "\\left(1, \\frac{9}{2}\\right)", "(1,\\,9/2)", "(x, y) = (1, 4.5)"],
    ["1, 2, 3", "1,2,3", "1, 2, \\text{ and } 3", "1, 2 and 3", "n=1,2,3"],
    ["x^2", "x^{2}", "x ^ 2"],
    ["\\sqrt 2+\\sqrt{5}", "\\sqrt{2} + \\sqrt5"],
    ["x \\le 2", "x \\leq 2", "x≤2"],
    ["15\\mbox{ cm}^2", "15\\text{ cm}^2", "15 \\mathrm{cm}^{2}"],
  ]) {
    const keys = line.map(answerKey);
    assert.deepEqual(
      keys,
      line.map(() => keys[0]),
      JSON.stringify(line),
    );
    assert.notEqual(keys[0], "");
  }
});

test("not equal on sight: as many keys as answers", () => {
  for (const line of [
    ["50", "50%", "5", "0.05", "-50"],
    ["1/3", "0.333", "0.33", "0.3333333333333333"], // exact, not nearly
    ["32349", "32, 349", "(32,349)", "[32,349)", "32.349"],
    ["(1,000)", "(1,0)", "1000"], // a comma in brackets separates elements
    ["5 m", "5 cm", "5 km", "5", "5 hours"],
    ["\\$50", "50 cents"],
    ["5!", "5"],
    ["x", "X", "2x", "x^2", "x2", "x_2"],
    ["2^10", "2^{1}0", "210"],
    ["1 2", "12", "1, 2"],
    ["(3,1)", "1,3", "\\{1,3\\}", "(1,3)"],
    ["a+3z=0", "0", "z=0+a"],
    ["x=5,y=6", "5,6"],
    ["x \\leq 5", "x < 5", "x \\geq 5", "5", "x \\neq 5"],
    ["x != 5", "x = 5"],
    ["[0,1)", "[0,9)", "(0,1)", "[0,1]"],
    ["1\\frac12", "11/2", "1/2"],
    ["1/0", "0", "\\frac{0}{0}"],
    ["3:4", "3/4"],
    ["1/2/3", "1/6"],
    ["1e3", "13"],
    ["AB", "ab", "Ab"],
    ["1,23", "123"],
    ["0,123", "123"],
    ["\\constructor", "\\__proto__", "\\toString"],
    ["1-\\frac{1}{e}", "1+\\frac{1}{e}"],
  ]) {
    const keys = line.map(answerKey);
    assert.equal(new Set(keys).size, line.length, `${JSON.stringify(line)} -> ${JSON.stringify(keys)}`);
  }
});

test("nothing has no key; long answers and numbers are bounded", () => {
  for (const empty of ["", " ", "$$", "\\(\\)", ".", "**", "{}", "\\text{}"]) assert.equal(answerKey(empty), "", empty);
  assert.equal(answerKey("9".repeat(1001)), "");
  const digits = "9".repeat(999);
  assert.equal(answerKey(digits), digits); // a string then, and no BigInt
  assert.equal(answerKey(`0${digits}`), `0${digits}`);
  assert.equal(answerKey(`${"9".repeat(140)}/${"3".repeat(140)}`), "3");
  const began = performance.now();
  for (const c of [
    "(",
    ")",
    "{",
    "[",
    ",",
    "$",
    "\\",
    "=",
    "1,",
    "\\frac",
    " and ",
    "1 ",
    "^",
    "\\left(",
    "{,}",
    "x=",
    "(x,",
    "\\text{",
    "\\boxed{",
  ])
    for (const tail of ["", "x", "1", ")", "}"]) answerKey((c.repeat(1000) + tail).slice(-1000));
  assert.ok(performance.now() - began < 3000, `${performance.now() - began} ms`);
});

test("a key is its own key", () => {
  for (const text of [
    "1/2",
    "-10/9",
    "(1, 9/2)",
    "x^2+1",
    "\\sqrt{2}",
    "no solution",
    "\\{1, 2\\}",
    "15\\text{ cm}^2",
    "x \\le 2",
    "6 \\text{ and } 8",
  ])
    assert.equal(answerKey(answerKey(text)), answerKey(text), text);
});

const file = new URL("../../../shared/data/math-equality/pairs.jsonl", import.meta.url);

test("Math-Verify's pairs: none that differ meet, most plain ones do", (t) => {
  if (!existsSync(file)) return t.skip("UNRUN: shared/data/math-equality/pairs.jsonl is absent");
  const key = (text: string) => {
    const e = extractAnswer(text, { thinking: null, finished: true });
    return e.kind === "answer" ? e.key : null;
  };
  let met = 0;
  let apart = 0;
  const wrong: string[] = [];
  for (const line of readFileSync(file, "utf8").trim().split("\n")) {
    const { gold, answer, equal } = JSON.parse(line);
    const want = gold.includes("boxed") ? key(gold) : answerKey(gold);
    const same = want !== null && key(answer) === want;
    if (equal) met += Number(same);
    else if (same || answerKey(answer) === want) wrong.push(line);
    else apart++;
  }
  assert.deepEqual(wrong, []);
  assert.equal(apart, 17);
  assert.ok(met >= 72, `${met} of 114 equal pairs`); // the rest need algebra, sets, or several boxes
});
