import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parseProblems } from "../../src/eval/compare/problems.ts";
import { answerKey } from "../../src/scale/key.ts";

const lines = (...rows: unknown[]) => rows.map((row) => JSON.stringify(row)).join("\n");
const keys = (text: string) => parseProblems("p.jsonl", text).map(({ answer }) => answerKey(String(answer)));

test("published forms of problems", () => {
  const text = lines(
    { question: "q", answer: "She makes 9 * 2 = $<<9*2=18>>18.\n#### 1,018" },
    { problem: "q", solution: "We get $\\boxed{\\frac12}$.", answer: "\\frac{1}{2}", subject: "Algebra" },
    { problem: "q", solution: "So the roots are $\\boxed{\\frac12}$." },
    { prompt: "q", answer: 204 },
    { ID: "2024-I-1", Problem: "q", Solution: "long", Answer: 33 },
    { prompt: "q", answer: "\\begin{pmatrix} 1 \\\\\n 2 \\end{pmatrix}" },
    { prompt: "q", answer: "(B)" },
  );
  const want = ["1018", "1/2", "1/2", "204", "33", "\\begin{pmatrix}1\\\\2\\end{pmatrix}", "B"];
  assert.deepEqual(keys(text), want);
  assert.deepEqual(keys(`\ufeff${text.replaceAll("\n", "\r\n")}\r\n\r\n`), want);
});

test("a gold that no reply can equal, or a line of another form, is refused by line", () => {
  const good = { prompt: "q", answer: 1 };
  for (const [bad, why] of [
    [{ prompt: "q", answer: "" }, /no reply can equal/],
    [{ prompt: "q", answer: " $$ " }, /no reply can equal/],
    [{ prompt: "q", answer: "First she adds.\nThen she has 18." }, /no reply can equal/],
    [{ prompt: "q", answer: `So ${"many more words ".repeat(10)}give 18.` }, /no reply can equal/],
    [{ prompt: "q", answer: "9 * 2 = 18\n####" }, /no reply can equal/],
    [{ prompt: "q", answer: "x".repeat(2000) }, /no reply can equal/],
    [{ prompt: "q", answer: "He has 18 apples." }, /no reply can equal/],
    [{ prompt: "q", answer: "so x #### 18" }, /no reply can equal/],
    [{ prompt: "q", answer: 2 ** 60 }, /write it as a text/],
    [{ prompt: " ", answer: 1 }, /no text of a question/],
    [{ text: "q", answer: 1 }, /no text of a question/],
    [{ prompt: "q" }, /no answer/],
    [{ prompt: "q", answer: ["1", "2"] }, /no answer/],
    [[1], /something else/],
  ] as const)
    assert.throws(
      () => parseProblems("p.jsonl", lines(good, bad)),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, "bad-file");
        assert.match(error.message, /^p\.jsonl: line 2: /);
        assert.match(error.message, why);
        return true;
      },
    );
  assert.throws(() => parseProblems("p.jsonl", "\ufeff \r\n"), /an empty file/);
  assert.throws(() => parseProblems("p.jsonl", "{"), /line 1/);
  assert.throws(() => parseProblems("p.jsonl", '{"prompt": "q", "answer": 1e400}'), /write it as a text/);
  assert.throws(() => parseProblems("p.jsonl", '\n\ufeff{"prompt": "q"}'), /line 2: .*\\u\{feff\}/);
});

const bench = new URL("../../../shared/data/bench/", import.meta.url);

test("the published files", (t) => {
  if (!existsSync(bench)) return t.skip("UNRUN: shared/data/bench is absent");
  const read = (name: string) => readFileSync(new URL(name, bench), "utf8");
  for (const [name, count] of [
    ["gsm8k_test", 1319],
    ["math500", 500],
    ["aime24", 30],
    ["aime25", 30],
  ] as const) {
    const golds = keys(read(`${name}.jsonl`));
    assert.equal(golds.length, count);
    assert.ok(
      golds.every((key) => key !== ""),
      name,
    );
    if (name === "gsm8k_test") assert.ok(golds.every((key) => /^-?\d+$/.test(key)));
  }
  assert.throws(() => parseProblems("c", read("livecodebench_v5_prompts.jsonl")), /line 1: .*no answer/);
});
