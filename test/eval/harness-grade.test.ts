// What chains answered, which answers are one, and what each is worth.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { Question } from "../../src/eval/harness/asked.ts";
import type { EndedChain } from "../../src/eval/harness/chains.ts";
import { gradeChains } from "../../src/eval/harness/grade.ts";
import { gather } from "../../src/eval/metrics/chain.ts";
import { makeTask } from "../../src/eval/tasks/index.ts";
import { ownTask } from "../../src/eval/tasks/own.ts";
import type { VoteTask } from "../../src/eval/tasks/task.ts";
import { Equality } from "../../src/scale/equality/equality.ts";

const equality = new Equality();
after(() => equality[Symbol.asyncDispose]());
const options = { equality, thinking: null, style: "chat" } as const;

const ended = (chain: number, text: string, other: Partial<EndedChain> = {}): EndedChain => ({
  ...{ chain, text, end: "finished", why: null, opened: false, tokens: 3, reads: 9, fullReads: 9 },
  ...{ peakKeys: 5, peakBytes: 640, seconds: 1, loop: null },
  prompt: { tokens: 4, keys: 4, bytes: 512, peakKeys: 4, peakBytes: 512 },
  ...other,
});
const item = { id: "p", question: "?", gold: "\\frac{\\sqrt{2}}{2}" };
const question: Question = { id: "p", item, asked: { prompt: "?", maxTokens: 9 } };
const task = ownTask({ name: "mine", items: async () => [] });
const grade = (texts: readonly (string | EndedChain)[], of: VoteTask = task, at = question) =>
  gradeChains(
    of,
    at,
    texts.map((text, i) => (typeof text === "string" ? ended(i, text) : text)),
    options,
  );

test("answers equal in mathematics share the key and the score of the lowest chain's", async () => {
  const rows = await grade([
    "\\boxed{1/\\sqrt{2}}",
    "\\boxed{2}",
    "\\boxed{\\frac{\\sqrt2}{2}}",
    "\\boxed{1/\\sqrt{2}}",
  ]);
  assert.deepEqual(
    rows.map(({ score }) => score),
    [1, 0, 1, 1],
  );
  assert.equal(new Set([rows[0], rows[2], rows[3]].map(({ key }) => key)).size, 1);
  assert.notEqual(rows[1].key, rows[0].key);
  assert.deepEqual([rows[0].answer, rows[2].answer], ["1/\\sqrt{2}", "\\frac{\\sqrt2}{2}"]);
  const { faults } = gather(
    rows.map((row) => ({ ...row, problem: "p" })),
    { problems: ["p"], width: 4 },
  );
  assert.deepEqual(faults, []);
});

test("each spelling says how it was found equal to another, and to the gold one", async () => {
  const rows = await grade(["\\boxed{1/\\sqrt{2}}", "\\boxed{2}", "\\boxed{\\frac{\\sqrt2}{2}}", "\\boxed{2}"]);
  assert.deepEqual(
    rows.map(({ merged }) => merged && [merged.spelling, merged.other]),
    [undefined, undefined, ["\\frac{\\sqrt2}{2}", "1/\\sqrt{2}"], undefined],
  );
  const { by, why, key } = rows[2].merged!;
  assert.ok(by !== "undecided" && why.length > 0 && key !== rows[2].key);
  const { gold, answer, by: decided } = rows[0].graded!;
  assert.deepEqual([gold, answer, decided !== "undecided"], [item.gold, "1/\\sqrt{2}", true]);
  assert.deepEqual(rows[2].graded, rows[0].graded); // one answer, graded once
  assert.equal(rows[1].graded, undefined);
  // Three spellings, of which two may be tied by the third: each has its tie.
  const three = await grade(["\\boxed{x/2}", "\\boxed{0.5x}", "\\boxed{\\frac{3x}{6}}"]);
  const other = three.filter(({ merged }) => merged);
  assert.equal(other.length, 2);
  assert.equal(new Set(other.map(({ merged }) => merged!.key)).size, 2);
  // More lenient than the vote: a unit that the gold does not have.
  const metres = { ...question, item: { ...item, gold: "5" } };
  const [lenient, plain] = await grade(["\\boxed{5\\text{ m}}", "\\boxed{5}"], task, metres);
  assert.deepEqual([lenient.score, plain.score, plain.graded], [1, 1, undefined]);
  assert.match(lenient.graded!.why, /lenient/);
  assert.notEqual(lenient.key, plain.key);
});

test("the order in which chains end changes nothing", async () => {
  const texts = ["\\boxed{0.5x}", "\\boxed{x/2}", "none here", "\\boxed{\\frac{x}{2}}", "\\boxed{3}"];
  const rows = await grade(texts);
  const turned = await grade(texts.map((text, i) => ended(i, text)).reverse());
  assert.deepEqual(turned, rows);
  assert.equal(new Set([0, 1, 3].map((i) => rows[i].key)).size, 1);
});

test("a task may keep spellings apart: expressions of one value are not one answer of the game of 24", async () => {
  const game = makeTask("game24") as VoteTask;
  assert.equal(game.by, "pass");
  const at = { ...question, item: { id: "p", question: "4 4 6 8", gold: "24" } };
  const rows = await grade(["\\boxed{(4+8)*(6-4)}", "\\boxed{4*6}", "\\boxed{(8+4)*(6-4)}"], game, at);
  assert.deepEqual(
    rows.map(({ score }) => score),
    [1, 0, 1],
  );
  assert.equal(new Set(rows.map(({ key }) => key)).size, 3);
  const apart = await grade(["\\boxed{1/\\sqrt{2}}", "\\boxed{\\frac{\\sqrt2}{2}}"], { ...task, merge: false });
  assert.notEqual(apart[0].key, apart[1].key);
});

test("abstentions and failures say why, and cost what they cost; the prompt's cost is one", async () => {
  const none = { tokens: 4, keys: 0, bytes: 0, peakKeys: 0, peakBytes: 0 };
  const failed = ended(0, "\\boxed{\\frac{\\sqrt2}{2}}", { end: "failed", why: "no pages", prompt: none });
  const rows = await grade([failed, "I do not know.", ended(2, "\\boxed{7", { end: "truncated" })]);
  assert.deepEqual(
    rows.map(({ key, score, answer, why, end }) => ({ key, score, answer, why, end })),
    [
      { key: null, score: 0, answer: null, why: "no pages", end: "failed" },
      { key: null, score: 0, answer: null, why: "no-answer", end: "finished" },
      { key: null, score: 0, answer: null, why: "no-answer", end: "truncated" },
    ],
  );
  assert.deepEqual(new Set(rows.map(({ prompt }) => prompt.keys)), new Set([4]));
  assert.ok(!("opened" in rows[0]));
});

test("a grade that does not come leaves its chains failed; one that comes late, too, and others are graded", async () => {
  const hangs: VoteTask = {
    ...task,
    gradeSeconds: 0.05,
    grade: (_item, { key }, _equal, { signal } = {}) =>
      key === "3"
        ? new Promise(() => {})
        : key === "4"
          ? new Promise((_, reject) =>
              signal!.addEventListener("abort", () => reject(new Error("it heeds its signal"))),
            )
          : Promise.resolve(1),
  };
  const rows = await grade(["\\boxed{3}", "\\boxed{5}", "\\boxed{4}"], hangs);
  const why = "its grade took more than 0.05 seconds";
  assert.deepEqual(
    rows.map(({ key, score, end, answer, why }) => ({ key, score, end, answer, why })),
    [
      { key: null, score: 0, end: "failed", answer: "3", why },
      { key: "5", score: 1, end: "finished", answer: "5", why: null },
      { key: null, score: 0, end: "failed", answer: "4", why },
    ],
  );
  assert.deepEqual(
    gather(
      rows.map((row) => ({ ...row, problem: "p" })),
      { problems: ["p"], width: 3 },
    ).faults,
    [],
  );
});

test("a signal ends grading at once, whoever grades", async () => {
  const over = new AbortController();
  const reason = new Error("enough");
  const hangs: VoteTask = { ...task, grade: () => new Promise(() => setTimeout(() => over.abort(reason), 20)) };
  for (const _ of [1, 2])
    await assert.rejects(
      gradeChains(hangs, question, [ended(0, "\\boxed{3}")], { ...options, signal: over.signal }),
      reason,
    );
});

test("what was found of a program is recorded, for all chains that wrote it; where its judge was ended, they failed", async () => {
  const judged: VoteTask = {
    ...task,
    merge: false,
    grade: async (_item, { key }) =>
      key === "3"
        ? { score: 0, judged: { verdict: "timeout", detail: "more than 3 seconds" } }
        : { score: 0, judged: { verdict: "ended", detail: "x" }, failed: "the judge was ended: killed\u001b" },
  };
  const rows = await grade(["\\boxed{3}", "\\boxed{4}", "\\boxed{3}"], judged);
  const timeout = { verdict: "timeout", detail: "more than 3 seconds" };
  assert.deepEqual(
    rows.map(({ key, end, why, judged }) => ({ key, end, why, judged })),
    [
      { key: "3", end: "finished", why: null, judged: timeout },
      {
        key: null,
        end: "failed",
        why: "the judge was ended: killed\\u{1b}",
        judged: { verdict: "ended", detail: "x" },
      },
      { key: "3", end: "finished", why: null, judged: timeout },
    ],
  );
  assert.ok(!JSON.stringify((await grade(["\\boxed{3}"]))[0]).includes("judged"));
});

test("a grade that is none ends the run, by the task's name", async () => {
  for (const score of [2, Number.NaN, -1, "1" as never])
    await assert.rejects(grade(["\\boxed{3}"], { ...task, grade: async () => score }), {
      code: "bad-argument",
      message: /task mine: expected a grade from 0 to 1 of problem p, got/,
    });
});

test("an extraction that is none ends the run, by the task's name", async () => {
  const said = { kind: "answer", text: "3", key: "3" };
  for (const wrong of [
    { ...said, key: 3 },
    { ...said, text: undefined },
    { kind: "abstain" },
    { kind: "x" },
    null,
    "3",
  ])
    await assert.rejects(grade(["\\boxed{3}"], { ...task, extract: () => wrong as never }), {
      code: "bad-argument",
      message: /task mine: expected extract to give \{ kind: "answer", text, key \} or .*, of problem p, got/,
    });
  const promised = (async () => said) as never;
  await assert.rejects(grade(["\\boxed{3}"], { ...task, extract: promised }), { code: "bad-argument" });
});
