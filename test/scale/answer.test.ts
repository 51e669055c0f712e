import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { type Extraction, extractAnswer } from "../../src/scale/answer.ts";
import { answerKey } from "../../src/scale/key.ts";

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
    ["The answer is $5$ or $6$.", "final-answer 5,6"],
    ["The answer is 12 apples.", "final-answer 12"],
    ["The answer is 12 cm.", "final-answer 12 cm"],
    ["The answer is 3*4 = 12", "final-answer 12"],
    ["The answer is yes.", "final-answer yes"],
    ["Answer: \\sqrt{2}", "final-answer \\sqrt{2}"],
    ["The answer is (B) because A is wrong.", "final-answer B"],
    ["The answer is B. 12 apples", "final-answer B"],
    ["The answer is B (12).", "final-answer B"],
    ["The answer is $0.\\overline{36}$.", "final-answer 4/11"],
    ["The answer is 2 x 10 = 20.", "final-answer 20"],
    ["The answer is 18 🎉", "final-answer 18"],
    ["### Final Answer:\n**18** ✅", "final-answer 18"],
    ["*The answer is **18***.", "final-answer 18"],
    ["Answer: **(B)** Paris", "final-answer B"],
    ["The answer is 0.5 (50%).", "final-answer 1/2"],
    ["Answer: 18 eggs per day", "final-answer 18"],
    ["Answer: A man has 12 apples.", "last-number 12"],
    ["The answer is (A) or (B).", "no-answer"],
    ["The answer is 5 if x > 0, 3 otherwise.", "final-answer 5if x>0,3otherwise"],
    ["答案：42", "final-answer 42"],
    ["答案：【5】", "final-answer 5"],
    ["答案为「5」", "last-number 5"],
    ["答案：约5", "final-answer 5"],
    ["答え：共有 5 个。", "final-answer 5"],
    ["答え：約５個です", "final-answer 5"],
    ["答案：「5」和「6」", "final-answer “5”和“6”"],
    ["增长了5个百分点。", "no-answer"],
    ["答案：大于5", "final-answer 大于5"],
    ["答案：12个苹果，5个梨", "final-answer 12个苹果,5个梨"],
    ["Answer: 18</s>", "final-answer 18"],
    ["Answer: 18or19", "final-answer 18,19"],
    ["Answer: 18,then5", "no-answer"],
    ["The answer is \\sqrt5.", "final-answer \\sqrt{5}"],
    ["Sure.\n<answer>\n42\n</answer>", "final-answer 42"],
    ["The answer is unclear.", "no-answer"],
    ["The answer is a mystery", "no-answer"],
    ["Final Answer: The largest $n$ is 34.", "last-number 34"],
  ]);
});

test("an empty box that repeats what was asked for is no part of an answer", () => {
  table([
    ["So, the final answer is within \\boxed{}.", "no-answer"],
    ["So 20 + 20 = 40.\n\nThe final answer is within \\boxed{}.", "last-number 40"],
    ["The answer is 40.\n\nThe final answer is within \\boxed{}.", "final-answer 40"],
    ["The final answer is 12 within \\boxed{}.", "final-answer 12"],
    ["So, Brady has 10 dollars within \\boxed{}.", "last-number 10"],
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

test("the last number is the whole value", () => {
  table([
    ["You need 2 1/2 cups.", "last-number 5/2"],
    ["It is 2 and a half.", "last-number 5/2"],
    ["In all there are 12 345 people.", "last-number 12345"],
    ["The temperature is negative 5.", "last-number -5"],
    ["The profit is $2.5 billion.", "last-number 2500000000"],
    ["The box holds 3 dozen eggs.", "last-number 36"],
    ["The distance is $1.5 \\times 10^8$ km.", "last-number 150000000"],
    ["The distance is 1.5e8 km.", "last-number 150000000"],
    ["The share is $28$ percent.", "last-number 7/25"],
    ["The area is 3*4 = 12.", "last-number 12"],
    ["40 minutes / 2 minutes/page = 20 pages", "last-number 20"],
    ["答案是42。", "last-number 42"],
    ["所以一共有４２个。", "last-number 42"],
    ["答えは42です。", "last-number 42"],
    ["정답은 42입니다.", "last-number 42"],
    ["It costs €5.", "last-number 5"],
    ["It costs US$5.", "last-number 5"],
    ["It is __5__.", "last-number 5"],
    ["It is “5”.", "last-number 5"],
    ["She has 20 - 5 = <<20-5=15>>15 dollars left.", "last-number 15"],
    ["The area is 25 cm^2.", "last-number 25"],
    ["The area is $25\\text{ cm}^2$.", "last-number 25"],
    ["The share is 60 pct.", "last-number 3/5"],
    ["He owes -$5.", "last-number -5"],
    // One number of several, a bound, a part, another thing's number.
    ["The train leaves at 12:00.", "no-answer"],
    ["The ratio of boys to girls is 3 : 2.", "no-answer"],
    ["The grid is 2x3.", "no-answer"],
    ["The numbers are 1331 and 1728.", "no-answer"],
    ["They have 5 apples and 3 oranges.", "no-answer"],
    ["$k = 45$ and $n = 2$", "no-answer"],
    ["It takes 3 to 5 days.", "no-answer"],
    ["It takes 3–5 days.", "no-answer"],
    ["It lies between 3 and 5.", "no-answer"],
    ["The answer is either 3 or 5.", "no-answer"],
    ["It takes 2 hours 30 minutes.", "no-answer"],
    ["He is 5 feet 3 inches tall.", "no-answer"],
    ["The answer is not 5.", "no-answer"],
    ["x cannot be 5.", "no-answer"],
    ["There are at least 5.", "no-answer"],
    ["He got 5 of the 9.", "no-answer"],
    ["She needs 132 spoons of dry ingredients to make 16 muffins.", "no-answer"],
    ["That is half of 5.", "no-answer"],
    ["x = 12, y = 13", "no-answer"],
    ["It is 5' long.", "no-answer"],
    ["Is it 5?", "no-answer"],
    ["It costs $5m.", "no-answer"],
    ["x^2 = 49", "no-answer"],
    ["x - 3 = 25", "no-answer"],
    ["x/3 = 25", "no-answer"],
    ["2^5 = 32", "last-number 32"],
    ["It is half past 3.", "no-answer"],
    ["One in 7.", "no-answer"],
    ["Half the 7.", "no-answer"],
    ["It is 5 degrees below zero.", "no-answer"],
    ["It is 5 mln.", "no-answer"],
    ["It is 5 ‰.", "no-answer"],
    ["5個以上です。", "no-answer"],
    ["大于5。", "no-answer"],
    ["等于5。", "last-number 5"],
    ["답은 5개 이상입니다.", "no-answer"],
    ["one hundred and 5", "no-answer"],
    ["It is 5 squared.", "no-answer"],
    ["It is at 5 p.m.", "no-answer"],
    ["It happened on May 6, 2024.", "no-answer"],
    ["42 remain. (Checked in 3 ways.)", "no-answer"],
    ["The number of wins is L + 8.", "no-answer"],
    ["答案不是42。", "no-answer"],
    ["一共有42万。", "no-answer"],
    ["这是42的一半。", "no-answer"],
  ]);
});

test("emphasis and code marks around a value are transparent", () => {
  table([
    ["The discount is **28** percent.", "last-number 7/25"],
    ["He has **5** million dollars.", "last-number 5000000"],
    ["It is `5` million.", "last-number 5000000"],
    ["It is *$5$* million.", "last-number 5000000"],
    ["<b>5</b> million", "last-number 5000000"],
    ["He has **2** dozen.", "last-number 24"],
    ["He ate **2** and a half.", "last-number 5/2"],
    ["It is -**5**.", "last-number -5"],
    ["It is negative __5__.", "last-number -5"],
    ["The answer is **5** million.", "final-answer 5000000"],
    ["The answer is **5**-**7**.", "final-answer 5-7"],
    ["Answer: **28**%", "final-answer 7/25"],
    ["**The answer is:\n18**", "final-answer 18"],
    ["It is **at least** 5.", "no-answer"],
    ["The answer is **not** 5.", "no-answer"],
    ["It is **5**k.", "no-answer"],
    ["It is **2** hours **30** minutes.", "no-answer"],
    ["It is 5 `million`.", "last-number 5000000"],
    ["It is **12** **345**.", "no-answer"],
    // Operators, and marks of LaTeX.
    ["2**3**2 = 512", "last-number 512"],
    ["* 5 apples\n* 7 pears\nIn all 12.", "last-number 12"],
    ["\\boxed{2*3*4}", "boxed 2*3*4"],
    ["\\boxed{a^*b^*}", "boxed a^*b^*"],
    ["\\boxed{z^{*} + w^{*}}", "boxed z^{*}+w^{*}"],
    ["\\boxed{S _{1} + a_{2}}", "boxed S_{1}+a_{2}"],
  ]);
});

test("words that make another value of a number", () => {
  for (const text of [
    "It is 5 pi.",
    "It is 5 π.",
    "It is 3 quadrillion.",
    "It is 5 basis points.",
    "It rose by 5 percentage points.",
    "It is 5 per mille.",
    "It is 5 ppm.",
    "It is 5 below zero.",
    "It is 5 below.",
    "All but 5 came.",
    "It is neither 5.",
    "It is neg 5.",
    "It is 101 in binary.",
    "It is 101 (hex).",
    "It is binary 101.",
    "It costs 5 cents.",
    "It is 5th.",
  ])
    assert.equal(show(plain(text)), "no-answer", text);
  table([
    ["It is 5L.", "last-number 5"],
    ["It is 5m/s.", "last-number 5"],
    ["There are 5 pies.", "last-number 5"],
    ["It is 5 in the end.", "last-number 5"],
  ]);
});

test("several boxes of one sentence are a list; a correction, a conclusion, the same again are not", () => {
  table([
    ["The roots are \\boxed{3} and \\boxed{5}.", "boxed 3,5"],
    ["The solutions are $\\boxed{3}$, $\\boxed{5}$, $\\boxed{7}$.", "boxed 3,5,7"],
    ["\\boxed{2} or \\boxed{-7}", "boxed 2,-7"],
    ["$x = \\boxed{3}$ and $y = \\boxed{4}$", "boxed 3,4"],
    ["$\\boxed{1/2}$ or $\\boxed{0.5}$", "boxed 1/2"],
    ["\\boxed{3} and \\boxed{5}. Wait, \\boxed{6}", "boxed 6"],
    ["\\boxed{3}, no, \\boxed{5}", "boxed 5"],
    ["$m = \\boxed{3}$, so the answer is \\boxed{6}", "boxed 6"],
    ["from \\boxed{3} to \\boxed{5}", "no-answer"],
    ["$\\boxed{3} : \\boxed{2}$", "no-answer"],
    ["\\boxed{2} hours \\boxed{30} minutes", "no-answer"],
    ["\\boxed{2} + \\boxed{3} = \\boxed{5}", "boxed 5"],
    ["Part one: \\boxed{3}.\n\nIn all: \\boxed{6}", "boxed 6"],
    ["\\boxed{3} as well as \\boxed{5}", "boxed 3,5"],
    ["The roots are\n- $\\boxed{3}$,\n- $\\boxed{5}$.", "boxed 3,5"],
    ["- \\boxed{3}\n- no, \\boxed{5}", "boxed 5"],
    ["\\boxed 2", "boxed 2"],
    ["our answer is $\\boxed 2$.", "boxed 2"],
    ["\\boxed5.", "boxed 5"],
    ["\\boxed12", "boxed 12"],
    ["\\boxed{?}", "no-answer"],
    ["\\boxed{5}. Hm. \\boxed{\\text{?}}", "no-answer"],
    ["\\boxed{5}, written \\boxed{\\text{your answer}}", "boxed 5"],
  ]);
});

test("a firm statement after a box stands against it", () => {
  table([
    ["so \\boxed{\\Delta E > 0}.\n\n**Answer: D**", "final-answer D"],
    ["\\boxed{5}\n\nFinal answer: 6", "final-answer 6"],
    ["\\boxed{5}\n\nAnswer: 5 apples", "boxed 5"],
    ["\\boxed{44}. We check our answer: $17 \\cdot 44 = 748$.", "boxed 44"],
  ]);
});

test("a box that holds but a part of the value, or what is denied", () => {
  for (const text of [
    "$x = -\\boxed{5}$",
    "$x = - \\boxed{5}$",
    "negative \\boxed{5}",
    "$x + \\boxed{5}$",
    "$\\boxed{5} - 3$",
    "$2\\boxed{5}$",
    "$\\boxed{5}x$",
    "$\\boxed{5}\\pi$",
    "$\\boxed{5} \\times 10^3$",
    "$\\boxed{5}/6$",
    "$\\boxed{5}^2$",
    "$\\sqrt{\\boxed{5}}$",
    "$\\frac{\\boxed{5}}{2}$",
    "$x \\neq \\boxed{5}$",
    "$x > \\boxed{5}$",
    "\\boxed{5} million",
    "\\boxed{5}\\text{ dozen}",
    "It is not \\boxed{5}.",
    "It cannot be $\\boxed{5}$.",
    "between \\boxed{5} and \\boxed{7}",
    "\\boxed{\\_}",
  ])
    assert.equal(show(plain(text)), "no-answer", text);
  for (const text of [
    "- \\boxed{5}",
    "> \\boxed{5}",
    "=> \\boxed{5}",
    "Answer - \\boxed{5}",
    "Answer – $\\boxed{5}$ – at last",
    "<b>\\boxed{5}</b>",
    "_\\boxed{5}_",
    "\\boxed{5}! That is all.",
    "\\boxed{5}\n- 3 remain",
    "\\textbf{\\boxed{5}}",
    "$x - 3 = \\boxed{5}$",
    "\\boxed{5} years",
    "It is not 6 but \\boxed{5}.",
    "Not surprisingly, the answer is \\boxed{5}.",
    "\\boxed{6} is wrong, \\boxed{5} is right",
  ])
    assert.equal(show(plain(text)), "boxed 5", text);
});

test("an answer that is taken back", () => {
  table([
    ["The answer is 12. Wait, actually it should be 14.", "no-answer"],
    ["Answer: 12. Sorry, I meant 14.", "no-answer"],
    ["\\boxed{12}\n\nWait, that's incorrect: it's 14.", "no-answer"],
    ["\\boxed{12}. No, the answer is 13.", "no-answer"],
    ["\\boxed{12}. The correct answer is 13.", "no-answer"],
    ["\\boxed{12}. Hang on, I forgot one. It is 13.", "no-answer"],
    ["\\boxed{12}. 等等，应该是13。", "no-answer"],
    ["\\boxed{A}. Wait, actually it is B.", "no-answer"],
    ["\\boxed{12}. The correct answer is 12.", "boxed 12"],
    ["\\boxed{12}. Let me double-check: 3*4 = 12. Yes.", "boxed 12"],
    ["\\boxed{12}. No other value works: 13 fails.", "boxed 12"],
    ["The answer is 12. On second thought, the answer is 14.", "final-answer 14"],
    ["The answer is 12. Wait, let me check: 7 + 5 = 12.", "final-answer 12"],
    ["The answer is C. Wait, let me check: 7 + 5 = 12.", "final-answer C"],
    ["The answer is 12? No, 14.", "last-number 14"],
    ["The answer is never 0.", "no-answer"],
    ["So the answer is \\boxed{5", "no-answer"],
  ]);
});

test("two statements side by side are no answer, a conclusion is", () => {
  table([
    ["Tom has 5 apples and Mary has 7 apples.", "no-answer"],
    ["Alice gets $40 and Bob gets $60.", "no-answer"],
    ["Bob has 5 dogs, while Ann has 7 dogs.", "no-answer"],
    ["The base is 5 and the height is 7.", "no-answer"],
    ["x=5 或 x=-5", "no-answer"],
    ["Tom has 5 and Ann has 7, so together they have 12.", "last-number 12"],
    ["The tax is $5, so the total is $105.", "last-number 105"],
    ["He had 20, and he has 7 left.", "last-number 7"],
    ["She sold 5 and has 7.", "last-number 7"],
  ]);
});

test("other languages deny, bound, scale and halve numbers too", () => {
  for (const text of [
    "La respuesta no es 5.",
    "La réponse n'est pas 5.",
    "Die Antwort ist nicht 5.",
    "A resposta não é 5.",
    "La risposta non è 5.",
    "Ответ не 5.",
    "الجواب ليس 5.",
    "उत्तर 5 नहीं है।",
    "คำตอบไม่ใช่ 5",
    "Cevap 5 değil.",
    "Jibu si 5.",
    "La respuesta es menos 5.",
    "Il fait moins 5 degrés.",
    "Ответ: минус 5.",
    "Mehr als 5.",
    "Más de 5.",
    "Больше 5.",
    "La mitad de 5.",
    "Es sind 5 Millionen.",
    "Son 5 millones.",
    "São 5 milhões.",
    "Ответ: 5 млн рублей.",
    "Их 5 тысяч.",
    "Có 5 triệu người.",
    "มี 5 ล้านคน",
    "मूल्य 5 लाख है।",
    "المجموع 5 ملايين.",
    "Son 5 y medio.",
    "Ответ: 5 с половиной.",
  ])
    assert.equal(show(plain(text)), "no-answer", text);
  table([
    ["Non, c'est 5.", "last-number 5"],
    ["Quedan 5 manzanas.", "last-number 5"],
    ["Es bleiben 5 Äpfel.", "last-number 5"],
    ["Осталось 5 яблок.", "last-number 5"],
    ["Das sind 60 Prozent.", "last-number 3/5"],
    ["Ответ: 60 процентов.", "last-number 3/5"],
    ["He walked 5 miles.", "last-number 5"],
  ]);
});

test("a chain cut off while it corrects itself", () => {
  const cut = { thinking: null, finished: false };
  table(
    [
      ["I get \\boxed{12}. Wait, recompute: \\boxed{1", "no-answer"],
      ["I get \\boxed{12}. Then \\boxed{", "no-answer"],
      ["I get \\boxed{12}. Then \\box", "no-answer"],
      ["I get \\boxed{12}. Wait, that is", "no-answer"],
      ["\\boxed1", "no-answer"], // of 12, perhaps
      ["\\boxed{12}. No, the answer is 13", "no-answer"],
      ["\\boxed{12}. On second thought it is", "no-answer"],
      ["\\boxed{12}. I made an error", "no-answer"],
      ["\\boxed{12}. Hang on, I forgot", "no-answer"],
      ["\\boxed{12}. That's not right", "no-answer"],
      ["\\boxed{12}. 等等，", "no-answer"],
      ["\\boxed{12}. Espera,", "no-answer"],
      ["\\boxed{12}. Let me double", "boxed 12"],
      ["I get \\boxed{12}. So", "boxed 12"],
    ],
    cut,
  );
});

test("questions invented after the answer are not read", () => {
  const rows: [string, string][] = [
    ["#### 57\n\nQuestion: A man has 2 dogs.\nAnswer: He has 2.\n#### 2", "final-answer 57"],
    ["#### 18\n\nAnn has 4 dogs. How many? He has 4.\n#### 4\n", "final-answer 18"],
    ["The answer is 18.\n\nQ: A man has 2. How many?\nA: The answer is 2.", "final-answer 18"],
    ["\\boxed{18}\n\nQuestion: What is it?\nAnswer: \\boxed{2}", "boxed 18"],
    ["Answer: 18\n<|im_start|>user\nand 2?", "final-answer 18"],
  ];
  table(rows);
  table(rows, { thinking: null, finished: false }); // they run on to the limit
  table([
    ["#### 18", "final-answer 18"],
    ["#### $1,250", "final-answer 1250"],
    ["#### Step 1\nAdd them. So 5.", "last-number 5"],
    ["#### 18 Question: A man has 3. Answer: 3 #### 3", "final-answer 18"],
    ["#### 18</s>", "final-answer 18"],
    ["#### 17\nWait, no.\n#### 18", "final-answer 18"],
    ["Answer: He has 4", "last-number 4"],
    ["Answer: Mary is 5 years older.", "last-number 5"],
    ["What the answer is, we seek.\nProblem: how many?\nAnswer: 5", "final-answer 5"],
    ["Question: how many?\nSo 5.", "last-number 5"],
  ]);
  table([["#### 18", "no-answer"]], { thinking: null, finished: false }); // of 180, perhaps
});

test("a lone formula, a lone choice", () => {
  table([
    ["$(3,2)$", "final-answer (3,2)"],
    ["\\[ x > b \\]", "final-answer x>b"],
    ["The right one is (C).", "choice C"],
    ["Neither.\n**B**", "choice B"],
    ["I pick option D", "choice D"],
    ["C) 12", "choice C"],
    ["C. Photosynthesis", "choice C"],
    ["So we find 12.\n\n**(C) 12**", "choice C"],
    ["A) 10\nB) 12", "no-answer"],
    ["(a) Add 3 and 4.\n(b) 7", "no-answer"],
    ["La respuesta correcta es C.", "choice C"],
    ["So, C is correct.", "choice C"],
    ["The correct option is **C**.", "choice C"],
    ["The correct option is not (B).", "no-answer"],
    ["Option B is wrong.", "no-answer"],
    ["It could be A or B.", "no-answer"],
    ["The answer is A, B and D.", "no-answer"],
    ["The ID is A12.", "no-answer"],
    ["答案是C。", "choice C"],
    ["The right choice: B", "choice B"],
    ["Conclusion: A proof by contradiction.", "no-answer"],
    ["答案不是A。", "no-answer"],
    ["The chemical is H2O.", "no-answer"],
    ["Both (A) and (B) hold", "no-answer"],
    ["\\textbf{(E)}\\ 12", "choice E"],
    ["So we find 12.\n$\\textbf{(E)}\\ 12$", "choice E"],
    ["\\textbf{(A)} 10\n\\textbf{(B)} 12", "no-answer"],
    ["The correct choice is (E) 12.", "choice E"],
    ["The correct choice is **(E) 12**.", "choice E"],
    ["The correct choice is not (E) 12.", "no-answer"],
    ["I pick option B because 12 is larger.", "choice B"],
    ["The right one is option C: 15 apples.", "choice C"],
    ["The answer is E, 12.", "choice E"],
    ["Option B costs 12 dollars.", "no-answer"],
    ["Option A costs 10 and option B costs 12.", "no-answer"],
    ["So P(A) = 0.5", "last-number 1/2"],
    ["The pay of the job (A) is $12.", "last-number 12"],
    ["Answer: A or B", "no-answer"],
    ["I do not know.", "no-answer"],
    ["A cat", "no-answer"],
    ["(K)", "no-answer"],
    ["Indeed", "no-answer"],
  ]);
});

const gsm8k = new URL("../../../shared/data/bench/gsm8k_test.jsonl", import.meta.url);

test("GSM8K's own solutions, their markers taken away: the last number is found, and seldom another", (t) => {
  if (!existsSync(gsm8k)) return t.skip("UNRUN: shared/data/bench/gsm8k_test.jsonl is absent");
  let right = 0;
  let wrong = 0;
  for (const line of readFileSync(gsm8k, "utf8").trim().split("\n")) {
    const [solution, gold] = (JSON.parse(line).answer as string).split("####");
    const found = plain(solution.replace(/<<[^>]*>>/g, "").trim());
    if (found.kind === "abstain") continue;
    if (found.key === answerKey(gold)) right++;
    else wrong++;
  }
  // Most of the wrong ones say a percentage or dozens where the gold has no unit; four that say cents abstain.
  assert.ok(right >= 1249 && wrong <= 30, `${right} right, ${wrong} wrong of 1319`);
});
