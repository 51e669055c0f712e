// Tasks on the files that data sets are published in, where these are here.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { makes24 } from "../../src/eval/tasks/game24.ts";
import { makeTask } from "../../src/eval/tasks/index.ts";
import type { ListItem } from "../../src/eval/tasks/ruler/listed.ts";
import type { ChoiceTask, Style, VoteTask } from "../../src/eval/tasks/task.ts";
import { openSource } from "../../src/model/source.ts";
import { loadTokenizer } from "../../src/model/tokenizer.ts";
import type { Prompt } from "../../src/request/prompt.ts";
import { scoreOf } from "../support/reply.ts";

const shared = fileURLToPath(new URL("../../../shared/data/", import.meta.url));
const data = `${shared}bench`;
const jsonl = (name: string): Record<string, string>[] =>
  readFileSync(`${data}/${name}`, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
const vote = (name: string) => makeTask(name) as VoteTask;

describe("published files", { skip: existsSync(data) ? false : "UNRUN: no shared bench data" }, () => {
  test("AIME: 30 problems a year, each asked for one box", async () => {
    for (const name of ["aime24", "aime25"]) {
      const items = await vote(name).items({ data });
      assert.equal(items.length, 30);
      for (const item of items) {
        const prompt = vote(name).ask(item, "chat").prompt as string;
        assert.equal(prompt.split("\\boxed{}").length, 2);
        assert.equal(await scoreOf(vote(name), item, `\\boxed{${item.gold.padStart(3, "0")}}`), 1);
        assert.equal(await scoreOf(vote(name), item, `\\boxed{${Number(item.gold) + 1}}`), 0);
      }
    }
  });

  test("MATH-500: every published solution is graded right, and wrong against its neighbour's gold", async () => {
    const items = await vote("math500").items({ data });
    const rows = jsonl("math500.jsonl");
    assert.equal(items.length, 500);
    let wrong = 0;
    for (const [i, item] of items.entries()) {
      assert.equal(await scoreOf(vote("math500"), item, rows[i].solution), 1, item.id);
      const other = items[(i + 1) % 500];
      if (item.gold !== other.gold) wrong += Number((await scoreOf(vote("math500"), other, rows[i].solution)) === 1);
    }
    assert.ok(wrong <= 1, `${wrong}`);
  });

  test("GSM8K: every published solution, said as the examples say it, is graded right", async () => {
    const items = await vote("gsm8k").items({ data });
    const rows = jsonl("gsm8k_test.jsonl");
    assert.equal(items.length, 1319);
    for (const [i, item] of items.entries()) {
      const said = rows[i].answer.replace(/<<.*?>>/g, "").replace(/#### (.*)$/, "The answer is $1.");
      assert.equal(await scoreOf(vote("gsm8k"), item, ` ${said}`, { style: "text" }), 1, said);
    }
    const chosen = await vote("gsm8k").items({ data, count: 200 });
    assert.equal(chosen.length, 200);
    assert.deepEqual(await vote("gsm8k").items({ data, count: 200 }), chosen);
    assert.ok(Math.max(...chosen.map(({ id }) => Number(id))) > 1200);
  });

  test("MMLU: 14,042 questions of 57 subjects, out of the archive", async () => {
    const items = await (makeTask("mmlu") as ChoiceTask).items({ data });
    assert.equal(items.length, 14_042);
    assert.equal(new Set(items.map(({ group }) => group)).size, 57);
    for (const { context, right } of items) {
      assert.ok(right >= 0 && right < 4);
      assert.ok(context.match(/\nAnswer:/g)!.length >= 6 && context.endsWith("\nAnswer:"));
    }
    const [first] = items;
    assert.equal(first.context.match(/\nAnswer: [A-D]\n\n/g)?.length, 5);
  });

  test("Game of 24: the hard hundred, of which ten are solved by trying everything", async () => {
    const items = await vote("game24").items({ data });
    assert.equal(items.length, 100);
    for (const { question } of items.slice(0, 10)) assert.ok(solve(question.split(" ")), question);
  });

  const tokenizer = `${shared}tokenizers/qwen3`;
  test("needles and RULER, in the tokens of a real model", async (t) => {
    if (!existsSync(tokenizer)) return t.skip("UNRUN: no shared tokenizer data");
    const { encode, close } = await loadTokenizer(await openSource(tokenizer));
    try {
      const tokensOf = async (prompt: Prompt) =>
        (await encode(typeof prompt === "string" ? prompt : (prompt as { raw: string }).raw, { special: true })).length;
      const made = async (spec: string, style: Style, length: number) => {
        const task = makeTask(spec) as unknown as VoteTask<ListItem>;
        const [item] = (await task.items({ data, tokensOf, style, count: 8 })).slice(-1);
        const { prompt, maxTokens } = task.ask(item, style);
        const tokens = (await tokensOf(prompt)) + maxTokens;
        assert.ok(tokens <= length && tokens > 0.97 * length, `${spec}, ${style}: ${tokens} of ${length}`);
        assert.equal(await scoreOf(task, item, ` ${item.words.join(", ")}.`, { style }), 1);
      };
      await made("needle:lengths=2,depths=4", "chat", 4096);
      for (const spec of ["multikey", "multikey:variant=2", "multikey:variant=3", "multivalue", "multiquery"])
        await made(spec, "text", 4096);
      await made("variables:length=8192", "text", 8192);
      await made("common-words:length=8192", "chat", 8192);
      await made("frequent-words", "text", 4096);
    } finally {
      close();
    }
  });
});

/** An expression of four numbers that is 24; null where all orders, signs and brackets fail. */
function solve(parts: readonly string[]): string | null {
  const puzzle = parts.join(" ");
  const join = (terms: readonly string[]): string | null => {
    if (terms.length === 1) return makes24(puzzle, terms[0]) ? terms[0] : null;
    for (let i = 0; i < terms.length; i++)
      for (let j = 0; j < terms.length; j++) {
        if (i === j) continue;
        const rest = terms.filter((_, at) => at !== i && at !== j);
        for (const sign of "+-*/") {
          const found = join([...rest, `(${terms[i]}${sign}${terms[j]})`]);
          if (found) return found;
        }
      }
    return null;
  };
  return join(parts);
}
