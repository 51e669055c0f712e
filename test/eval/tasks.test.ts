import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { OptionItem } from "../../src/eval/tasks/choices.ts";
import { makeTask, taskRecipes } from "../../src/eval/tasks/index.ts";
import { checkTask, fileTask, ownTask } from "../../src/eval/tasks/own.ts";
import type { ChoiceTask, Task, VoteTask } from "../../src/eval/tasks/task.ts";
import { reply, scoreOf } from "../support/reply.ts";
import { zipOf } from "../support/zip.ts";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperthink-tasks-"));
});
after(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string | Uint8Array): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const lines = (name: string, rows: readonly object[]) => file(name, rows.map((row) => JSON.stringify(row)).join("\n"));
const vote = (spec: string): VoteTask => {
  const task = makeTask(spec);
  assert.equal(task.kind, "vote");
  return task as VoteTask;
};

test("every task says what it is, where it is from and how it is asked; names are distinct", () => {
  assert.equal(new Set(taskRecipes.map(({ name }) => name)).size, taskRecipes.length);
  for (const recipe of taskRecipes) {
    for (const said of [recipe.summary, recipe.source, recipe.protocol])
      assert.ok(said.length > 10 && said.length < 160 && !/[.\n]$/.test(said), `${recipe.name}: ${said}`);
    const task = makeTask(recipe.name);
    assert.equal(task.kind, recipe.kind);
    assert.equal(task.name, recipe.name);
    for (const { about, default: value, least, most } of Object.values(recipe.settings))
      assert.ok(about && least <= value && value <= most, recipe.name);
  }
});

test("settings: taken, checked, refused by name", () => {
  const task = makeTask("perplexity: length=100, prefix=7");
  assert.deepEqual((task as Task & { windows: object }).windows, { count: 16, length: 100, prefix: 7 });
  for (const spec of [
    "nothing",
    "gsm8k:shots=8",
    "mmlu:shots=6",
    "mmlu:shots=1.5",
    "mmlu:shots",
    "mmlu:shots=1,shots=2",
    "mmlu:",
  ])
    assert.throws(() => makeTask(spec), { code: "bad-argument" }, spec);
  assert.throws(() => makeTask("nothing"), { message: /expected one of aime24, .*abacus/ });
  assert.throws(() => makeTask("mmlu:shots=6"), { message: /from 0 to 5, got 6/ });
});

test("AIME: numbers from 0 to 999, asked for a box once", async () => {
  const task = vote("aime24");
  const data = lines("aime.jsonl", [
    { id: "2024-I-1", problem: "What is 30 + 3?", answer: "033" },
    { id: "2024-I-2", problem: "Box it in \\boxed{}: 5?", answer: 5 },
  ]);
  const [first, second] = await task.items({ data });
  assert.deepEqual(first, { id: "2024-I-1", question: "What is 30 + 3?", gold: "033" });
  assert.equal(
    task.ask(first, "chat").prompt,
    "What is 30 + 3?\nPlease reason step by step, and put your final answer within \\boxed{}.",
  );
  assert.equal(task.ask(second, "chat").prompt, "Box it in \\boxed{}: 5?");
  assert.deepEqual(task.ask(first, "text").prompt, { raw: "Question: What is 30 + 3?\nAnswer:" });
  assert.equal(await scoreOf(task, first, "So \\boxed{33}."), 1);
  assert.equal(await scoreOf(task, first, "So \\boxed{33.5}."), 0);
  assert.equal(await scoreOf(task, first, "I do not know."), null);
  assert.equal(await scoreOf(task, first, "The number is 33", { finished: false }), null);
  const thinking = { open: "<think>", close: "</think>" };
  assert.equal(await scoreOf(task, first, "\\boxed{33}", { thinking, opened: true }), null);
  assert.equal(await scoreOf(task, first, "\\boxed{1}</think> \\boxed{33}", { thinking, opened: true }), 1);
  for (const [answer, message] of [
    ["1000", /row 1: expected an answer of AIME/],
    ["x + 1", /row 1/],
    ["", /row 1: expected a text in answer or solution, got a blank one/],
    [null, /row 1: expected a text in answer or solution, got none/],
    [1.5, /row 1/],
    [2 ** 60, /row 1/],
  ] as const)
    await assert.rejects(task.items({ data: lines("bad.jsonl", [{ problem: "?", answer }]) }), {
      code: "bad-file",
      message,
    });
});

test("MATH-500: subjects, a grader that is asked only where keys differ", async () => {
  const task = vote("math500");
  const row = { problem: "Half?", solution: "..", answer: "\\frac{1}{2}", subject: "Algebra", level: 1 };
  const data = lines("math.jsonl", [
    { ...row, unique_id: "test/a/1.json" },
    { ...row, unique_id: "test/a/2.json" },
  ]);
  const [item, other] = await task.items({ data });
  assert.deepEqual(item, { id: "test/a/1.json", question: "Half?", gold: "\\frac{1}{2}", group: "Algebra" });
  assert.equal(other.id, "test/a/2.json");
  assert.equal(await scoreOf(task, item, "\\boxed{0.5}"), 1);
  const answer = task.extract(item, reply("\\boxed{\\sin 30^\\circ}"));
  assert.ok(answer.kind === "answer");
  const asked: string[][] = [];
  const equal = async (gold: string, said: string) => {
    asked.push([gold, said]);
    return true;
  };
  assert.equal(await task.grade(item, answer, equal), 1);
  assert.deepEqual(asked, [["\\frac{1}{2}", "\\sin 30^\\circ"]]);
  const half = task.extract(item, reply("\\boxed{1/2}"));
  assert.ok(half.kind === "answer");
  assert.equal(await task.grade(item, half, async () => assert.fail("keys are equal")), 1);
  await assert.rejects(task.items({ data: lines("bad.jsonl", [row, { ...row, problem: 7 }]) }), {
    code: "bad-file",
    message: /row 2: expected a text in problem/,
  });
});

test("GSM8K: eight examples for base models, zero-shot for others, golds after ####", async () => {
  const task = vote("gsm8k");
  const data = lines("gsm.jsonl", [
    { question: "How many?", answer: "1,000 + 234 = <<1000+234=1234>>1,234\n#### 1,234" },
  ]);
  const [item] = await task.items({ data });
  assert.equal(item.gold, "1,234");
  const { prompt, stop } = task.ask(item, "text");
  const { raw } = prompt as { raw: string };
  assert.equal(raw.match(/^Q: /gm)?.length, 9);
  assert.equal(raw.match(/The answer is -?\d+\.$/gm)?.length, 8);
  assert.ok(raw.endsWith("The answer is 8.\n\nQ: How many?\nA:"));
  assert.deepEqual(stop, ["Q:"]);
  assert.match(task.ask(item, "chat").prompt as string, /^How many\?\n.*boxed/);
  const text = { style: "text" } as const;
  assert.equal(await scoreOf(task, item, " 1000 + 234 = 1234. The answer is 1234.\n\n", text), 1);
  assert.equal(await scoreOf(task, item, " The answer is 1,234 dollars.", text), 1);
  assert.equal(await scoreOf(task, item, " The answer is 12.", text), 0);
  assert.equal(await scoreOf(task, item, "\\boxed{1234}"), 1);
});

const GPQA =
  "Record ID,Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3,High-level domain\n" +
  Array.from(
    { length: 60 },
    (_, i) => `rec${i},"Which\nis ${i}?"," ${i} m\n",${i + 100} m,${i + 200} m,${i + 300} m,Physics`,
  ).join("\n");

test("GPQA: options shuffled by seed and question, letters read and graded", async () => {
  const task = makeTask("gpqa") as unknown as VoteTask<OptionItem>;
  const data = file("gpqa_diamond.csv", GPQA);
  const items = await task.items({ data });
  assert.equal(items.length, 60);
  const places = [0, 0, 0, 0];
  for (const [i, item] of items.entries()) {
    const place = "ABCD".indexOf(item.gold);
    places[place]++;
    assert.equal(item.options[place], `${i} m`);
    assert.equal(new Set(item.options).size, 4);
    assert.deepEqual([item.id, item.group], [`rec${i}`, "Physics"]);
  }
  assert.ok(Math.min(...places) >= 6, `${places}`); // 15 is chance
  assert.deepEqual(await task.items({ data: folder }), items);
  assert.notDeepEqual(await task.items({ data, seed: 1 }), items);
  assert.deepEqual(
    (await task.items({ data, count: 7 })).map((item) => item),
    (await task.items({ data, count: 7 })).map(({ id }) => items.find((item) => item.id === id)),
  );
  const [item] = items;
  const prompt = task.ask(item, "chat").prompt as string;
  assert.match(
    prompt,
    /'Answer: \$LETTER'.*one of ABCD\. Think step by step before answering\.\n\nWhich\nis 0\?\n\nA\) /,
  );
  assert.ok(prompt.includes(`${item.gold}) 0 m`));
  const wrong = "ABCD".replace(item.gold, "")[0];
  for (const [text, score] of [
    [`So.\nAnswer: ${item.gold}`, 1],
    [`\\boxed{${item.gold}}`, 1],
    [`**Answer: ${item.gold}) 0 m**`, 1],
    [`Answer: ${wrong}`, 0],
    ["The answer is 0 m.", 1], // one option says so
    ["The answer is 17 m.", 0],
    ["Hm.", null],
  ] as const)
    assert.equal(await scoreOf(task, item, text), score, text);
  assert.deepEqual(task.extract(item, reply("The answer is 0 m.")), {
    kind: "answer",
    text: "0 m",
    key: item.gold,
    source: "final-answer",
  });
  const text = { style: "text" } as const;
  assert.equal(await scoreOf(task, item, ` (${item.gold}) 0 m`, text), 1);
  assert.equal(await scoreOf(task, item, ` ${wrong}\n`, text), 0);
  assert.equal(await scoreOf(task, item, " Apples", text), null);
  assert.match(
    (task.ask(item, "text").prompt as { raw: string }).raw,
    /question:Which\nis 0\?\nChoices:\n\(A\) .*\nAnswer:$/s,
  );
  await assert.rejects(task.items({ data: file("bad.csv", GPQA.replace("300 m", "")) }), {
    code: "bad-file",
    message: /bad\.csv: row 1: expected a text in incorrect answer 3, got a blank one/,
  });
});

test("MMLU: examples from dev, likelihoods or letters, from a zip or a folder", async () => {
  const csv = (n: number, base: number) =>
    Array.from({ length: n }, (_, i) => `"Is ${base + i}, so?",w${i},x,y,"z, z",${"ABCD"[i % 4]}`).join("\n");
  const zip = zipOf([
    ["data/dev/made_up_dev.csv", csv(7, 100)],
    ["data/test/made_up_test.csv", csv(3, 0)],
    ["data/dev/algebra_dev.csv", csv(5, 300)],
    ["data/test/algebra_test.csv", csv(4, 200)],
    ["data/val/algebra_val.csv", "not read"],
  ]);
  file("mmlu.zip", zip);
  const likely = makeTask("mmlu") as ChoiceTask;
  const items = await likely.items({ data: folder });
  assert.deepEqual(items, await likely.items({ data: join(folder, "mmlu.zip") }));
  assert.deepEqual(
    items.map(({ id }) => id),
    ["algebra/0", "algebra/1", "algebra/2", "algebra/3", "made_up/0", "made_up/1", "made_up/2"],
  );
  const item = items[5];
  assert.deepEqual([item.right, item.group], [1, "made_up"]);
  assert.deepEqual(item.choices, [" A", " B", " C", " D"]);
  assert.ok(
    item.context.startsWith(
      "The following are multiple choice questions (with answers) about made up.\n\nIs 100, so?\nA. w0\nB. x\nC. y\nD. z, z\nAnswer: A\n\nIs 101, so?",
    ),
  );
  assert.ok(item.context.endsWith("Answer: A\n\nIs 1, so?\nA. w1\nB. x\nC. y\nD. z, z\nAnswer:"));
  assert.equal(item.context.match(/Answer:/g)?.length, 6);
  const [bare] = await (makeTask("mmlu:shots=0") as ChoiceTask).items({ data: folder, count: 1 });
  assert.equal(bare.context.match(/Answer:/g)?.length, 1);

  const task = makeTask("mmlu-gen") as unknown as VoteTask<OptionItem>;
  const written = (await task.items({ data: folder }))[5];
  assert.deepEqual(task.ask(written, "text"), { prompt: { raw: item.context }, maxTokens: 8, stop: ["\n"] });
  assert.match(task.ask(written, "chat").prompt as string, /A\) w1\nB\) x/);
  assert.equal(await scoreOf(task, written, " B", { style: "text" }), 1);
  assert.equal(await scoreOf(task, written, "Answer: C"), 0);

  file("lame.zip", zipOf([["data/test/made_up_test.csv", "a,b,c,d,e,A\na,b,c,d,e,E"]]));
  await assert.rejects(likely.items({ data: join(folder, "lame.zip") }), { code: "bad-file", message: /row 2/ });
  file("lame.zip", zipOf([["data/test/made_up_test.csv", "a,b,c,d,e,A"]]));
  await assert.rejects(likely.items({ data: join(folder, "lame.zip") }), { code: "bad-file", message: /got 0 and 1/ });
});

test("data sets of the Hub are taken from its cache", async () => {
  const hub = join(folder, "hub");
  const parquet = fileURLToPath(new URL("./parquet/", import.meta.url));
  const put = (repository: string, name: string, from: string) => {
    const path = join(hub, `datasets--${repository.replace("/", "--")}/snapshots/0123/${name}`);
    cpSync(join(parquet, from), path, { recursive: true });
  };
  for (const split of ["dev", "test"]) put("cais/mmlu", `all/${split}-00000-of-00001.parquet`, "choices.parquet");
  put("openai/gsm8k", "main/test-00000-of-00001.parquet", "questions-zstd.parquet");
  put("openai/gsm8k", "main/train-00000-of-00001.parquet", "choices.parquet");
  const [first, second] = await (makeTask("mmlu:shots=1") as ChoiceTask).items({ hub });
  assert.deepEqual([first.id, first.right, second.id, second.right], ["made_up/0", 0, "made_up/1", 1]);
  assert.match(second.context, /Which is a colour\?\nA\. red\n.*Answer: A\n\nWhich is a number\?/s);
  assert.deepEqual(
    (await vote("gsm8k").items({ hub })).map(({ gold }) => gold),
    ["5", "4", "3"],
  );
  await assert.rejects(vote("math500").items({ hub }), {
    code: "bad-file",
    message: /hub does not hold HuggingFaceH4/,
  });
});

test("one's own: a file of questions, or an object", async () => {
  const data = lines("mine.jsonl", [
    { prompt: "2 + 2?", answer: 4 },
    { question: "Colour?", answer: "blue" },
  ]);
  const task = fileTask(data);
  assert.deepEqual([task.name, task.kind], ["mine", "vote"]);
  const [sum, colour] = await task.items({});
  assert.deepEqual([sum.id, colour.id], ["0", "1"]);
  assert.equal(task.ask(sum, "chat").prompt, "2 + 2?");
  assert.deepEqual(task.ask(sum, "text").prompt, { raw: "2 + 2?" });
  assert.equal(await scoreOf(task, sum, "It is 4."), 1);
  assert.equal(await scoreOf(task, colour, "Answer: Blue"), 1);
  await assert.rejects(fileTask(lines("bad.jsonl", [{ prompt: "a", answer: 1 }, { answer: 1 }])).items({}), {
    code: "bad-file",
    message: /bad\.jsonl: row 2/,
  });

  const item = { id: "x", question: "?", gold: "yes" };
  const mine = ownTask({ name: "mine", items: async () => [item], grade: async (_, { key }) => key.length / 10 });
  assert.equal(await scoreOf(mine, item, "\\boxed{maybe}"), 0.5);
  assert.equal(checkTask({ name: "mine", items: async () => [item] }).kind, "vote");
  const texts = { name: "t", kind: "perplexity", items: async () => [], windows: { count: 1, length: 9, prefix: 3 } };
  assert.equal(checkTask(texts).kind, "perplexity");
  for (const value of [
    null,
    7,
    {},
    { name: "a b", items: async () => [] },
    { name: "a" },
    { name: "a", items: async () => [], kind: "guess" },
    { name: "a", items: async () => [], extract: "regex" },
    { name: "a", items: async () => [], gradeSeconds: 0 },
    { name: "a", items: async () => [], gradeSeconds: "9" },
    { ...texts, windows: { count: 1, length: 3, prefix: 3 } },
    { ...texts, windows: undefined },
  ])
    assert.throws(() => checkTask(value), { code: "bad-argument" }, JSON.stringify(value));
});

test("beads and abacus: what their models were trained on, by seed", async () => {
  for (const name of ["beads", "abacus"]) {
    const task = vote(name);
    const items = await task.items({ count: 20, seed: 5 });
    assert.equal(items.length, 20);
    assert.deepEqual(await task.items({ count: 5, seed: 5 }), items.slice(0, 5));
    assert.notDeepEqual(await task.items({ count: 5, seed: 6 }), items.slice(0, 5));
    assert.match(items[0].question, /^A [a-z]+ holds .*How many beads does a [a-z]+ hold\?$/);
    assert.equal(task.ask(items[0], "chat").prompt, items[0].question);
    assert.equal(task.sampling?.temperature, 1);
    assert.equal(await scoreOf(task, items[0], `\\boxed{${items[0].gold}}`), 1);
    assert.equal(await scoreOf(task, items[0], `\\boxed{${Number(items[0].gold) + 1}}`), 0);
  }
  const few = await vote("beads:low=3,high=3,distractors=0").items({ count: 9 });
  assert.ok(few.every(({ group }) => group === "3 steps"));
  await assert.rejects(vote("beads:low=20,high=20").items({ count: 9 }), { code: "bad-argument" });
});
