import assert from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { answer, beadsProblems, grade, problem, question } from "../../src/eval/beads.ts";
import { extractAnswer } from "../../src/scale/answer.ts";

interface Told {
  answer: number;
  needed: number; // containers that the answer depends on
  containers: number;
}

/** Reads a problem's text by its grammar and solves it from the text alone. */
function solve(text: string): Told {
  const whole = /^((?:A [a-z]+ holds [^.]+\. )+)How many beads does a ([a-z]+) hold\?$/.exec(text);
  assert.ok(whole, text);
  const facts = new Map<string, string[]>();
  for (const [sentence, name, held] of whole[1].matchAll(/A ([a-z]+) holds ([^.]+)\. /g)) {
    assert.ok(!facts.has(name), `${name} twice`);
    const parts = held.split(" and ");
    assert.ok(parts.length <= 2 && /^A [a-z]+ holds \d+ [a-z]+( and \d+ [a-z]+)?\. $/.test(sentence), sentence);
    facts.set(name, parts);
  }
  const memo = new Map<string, number>();
  const value = (name: string): number => {
    const known = memo.get(name);
    if (known !== undefined) return known;
    const parts = facts.get(name);
    assert.ok(parts, `${name} is not told`);
    let sum = 0;
    for (const part of parts) {
      const [, count, thing] = /^(\d+) ([a-z]+)$/.exec(part)!;
      const n = Number(count);
      if (thing === "beads") {
        assert.ok(n >= 2 && n <= 9, part);
        sum += n;
        continue;
      }
      assert.ok(n >= 1 && n <= 4 && thing.endsWith("s") === n > 1, part);
      sum += n * value(n > 1 ? thing.slice(0, -1) : thing);
    }
    memo.set(name, sum);
    return sum;
  };
  return { answer: value(whole[2]), needed: memo.size, containers: facts.size };
}

test("every text has the grammar, and its answer follows from the text alone", () => {
  const problems = beadsProblems({ count: 3000, seed: 11 });
  let seconds = 0; // problems whose text has a second operand
  for (const p of problems) {
    const told = solve(p.question);
    assert.equal(told.answer, p.answer, p.question);
    // Each container holds the one before it, so the answer needs them all, and no distractor.
    assert.equal(told.needed, p.steps);
    assert.ok(told.containers >= p.steps && told.containers <= p.steps + 5);
    assert.ok(p.answer >= 2 && p.answer <= 999);
    if (/\d [a-z]+ and \d (?!beads)/.test(p.question)) seconds++;
  }
  assert.ok(seconds > 1500); // half of all needed containers from the third on
});

test("steps and distractors are uniform", () => {
  const n = 7000;
  const problems = beadsProblems({ count: n, seed: 3 });
  const steps = new Array(9).fill(0);
  const extra = new Array(6).fill(0);
  for (const p of problems) {
    steps[p.steps]++;
    extra[p.question.split("holds").length - 1 - p.steps]++;
  }
  const chi = (counts: number[]) =>
    counts.reduce((sum, c) => sum + (c - n / counts.length) ** 2 / (n / counts.length), 0);
  assert.deepEqual(steps.slice(0, 2), [0, 0]);
  assert.ok(chi(steps.slice(2)) < 22.5, `${steps}`); // 6 degrees of freedom, one in a thousand
  assert.ok(chi(extra) < 20.5, `${extra}`); // 5
});

test("answers are spread as the reference generator's", () => {
  // Mean answer by steps of 20,000 problems of the Python generator that the model was trained on (about 2,850 each).
  const reference = [21.9, 77.2, 247.7, 191.7, 339.4, 450.2, 541.1];
  const sums = reference.map(() => ({ n: 0, sum: 0, squares: 0 }));
  for (const p of beadsProblems({ count: 14_000, seed: 8 })) {
    const s = sums[p.steps - 2];
    s.n++;
    s.sum += p.answer;
    s.squares += p.answer ** 2;
  }
  for (const [i, { n, sum, squares }] of sums.entries()) {
    const mean = sum / n;
    const error = Math.sqrt((squares / n - mean ** 2) * (1 / n + 1 / 2850));
    assert.ok(Math.abs(mean - reference[i]) < 4 * error, `${i + 2} steps: ${mean} against ${reference[i]}`);
  }
});

test("a seed repeats, more problems extend fewer, another seed differs", () => {
  const ten = beadsProblems({ count: 10, seed: 1 });
  assert.deepEqual(beadsProblems({ count: 20, seed: 1 }).slice(0, 10), ten);
  assert.notDeepEqual(beadsProblems({ count: 10, seed: 2 }), ten);
});

test("a problem's parts agree, caps hold, and the order told is not the order needed", () => {
  const rng = seeded(4);
  let sorted = 0;
  for (let i = 0; i < 300; i++) {
    const p = problem(rng, { steps: 4, distractors: 3, cap: 60 });
    assert.equal(solve(question(p)).answer, answer(p));
    assert.ok(Math.max(...Object.values(p.values)) <= 60);
    assert.equal(p.facts.length, 7);
    const places = p.chain.map((name) => p.facts.findIndex((fact) => fact.name === name));
    if (places.every((place, at) => at === 0 || place > places[at - 1])) sorted++;
  }
  assert.ok(sorted > 0 && sorted < 40, `${sorted} of 300 in order; one in 24 is chance`);
});

test("impossible shapes are refused", () => {
  const rng = seeded(0);
  assert.throws(() => problem(rng, { steps: 20, distractors: 5 }), { code: "bad-argument" });
  assert.throws(() => problem(rng, { steps: 8, distractors: 0, cap: 3 }), { code: "bad-argument" });
  assert.throws(() => problem(rng, { steps: 0, distractors: 0 }), { code: "bad-argument" });
});

test("grading", () => {
  const asked = { question: "", answer: 30, steps: 2 };
  const graded = (text: string, finished = true) =>
    grade(asked, extractAnswer(text, { thinking: { open: "<think>", close: "</think>" }, finished }));
  assert.equal(graded("A can: 4*7 + 2 = 28 + 2\ncan = 30\n</think>\n\\boxed{30}"), "correct");
  assert.equal(graded("can = 30\n</think>\n\\boxed{30 beads}"), "correct");
  assert.equal(graded("can = 30\n</think>\n\\boxed{31}"), "wrong");
  assert.equal(graded("can = 30", false), "abstain");
  assert.equal(graded("can = 30\n</think>\n\\boxed{3", false), "abstain");
});
