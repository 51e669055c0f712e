import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { makeTask } from "../../src/eval/tasks/index.ts";
import type { ListItem } from "../../src/eval/tasks/ruler/listed.ts";
import { compound, differentWords } from "../../src/eval/tasks/ruler/words.ts";
import type { ItemOptions, VoteTask } from "../../src/eval/tasks/task.ts";
import type { Prompt } from "../../src/request/prompt.ts";
import { reply, scoreOf } from "../support/reply.ts";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "hyperthink-ruler-"));
  mkdirSync(join(folder, "haystack"));
  mkdirSync(join(folder, "empty"));
  const essay = (name: string) =>
    Array.from({ length: 40 }, (_, i) => `${name} has sentence ${i}, said "so". It ends!\n`).join("");
  writeFileSync(join(folder, "haystack", "b.txt"), essay("Second"));
  writeFileSync(join(folder, "haystack", "a.txt"), essay("First"));
});
after(() => rmSync(folder, { recursive: true }));

/** Words and signs, for a tokenizer. */
const tokensOf = async (prompt: Prompt): Promise<number> =>
  (typeof prompt === "string" ? prompt : (prompt as { raw: string }).raw).match(/\w+|[^\w\s]/g)!.length;
const options: ItemOptions = { tokensOf, count: 6 };
const task = (spec: string) => makeTask(spec) as unknown as VoteTask<ListItem>;

test("every task is as long as asked, repeats with its seed, and refuses what cannot be", async () => {
  for (const name of ["needle", "multikey", "multivalue", "multiquery", "variables", "common-words", "frequent-words"])
    for (const style of ["chat", "text"] as const) {
      const spec = name === "needle" ? "needle:from=1500,to=1500" : `${name}:length=1500`;
      const made = { ...options, style, data: folder };
      const items = await task(spec).items(made);
      assert.equal(items.length, 6);
      assert.equal(new Set(items.map(({ question }) => question)).size, 6);
      for (const item of items) {
        const { prompt, maxTokens } = task(spec).ask(item, style);
        const length = (await tokensOf(prompt)) + maxTokens;
        assert.ok(length <= 1500 && length > 1400, `${name}, ${style}: ${length}`);
        assert.equal(await scoreOf(task(spec), item, `They are ${item.words.join(", ")}.`, { style }), 1);
        assert.equal(await scoreOf(task(spec), item, "I do not know.", { style }), null);
        const said = task(spec).extract(item, reply(`${item.words.join(" ")}`));
        const again = task(spec).extract(item, reply(`${[...item.words].reverse().join("\n")} ${item.words[0]}`));
        assert.deepEqual(said, again); // what votes is a set
      }
      assert.deepEqual((await task(spec).items({ ...made, count: 2 })).slice(0, 2), items.slice(0, 2));
      assert.notDeepEqual(await task(spec).items({ ...made, seed: 1 }), items);
      const short = name === "needle" ? "needle:from=128,to=128" : `${name}:length=128`;
      await assert.rejects(task(short).items(made), { code: "bad-argument", message: /at least \d+ tokens, got 128/ });
      await assert.rejects(task(spec).items({ ...made, tokensOf: undefined }), {
        code: "bad-argument",
        message: /expected a model's tokenizer/,
      });
    }
  for (const data of [undefined, join(folder, "none"), join(folder, "empty")])
    await assert.rejects(task("needle").items({ ...options, data }), { code: "bad-file", message: /essays|\.txt/ });
});

test("needles: in the text once, at their depths, asked for by their keys", async () => {
  const grid = task("needle:from=600,to=1000,lengths=3,depths=3");
  const items = await grid.items({ tokensOf, data: folder });
  assert.deepEqual(
    items.map(({ group }) => group),
    ["600/0%", "600/50%", "600/100%", "800/0%", "800/50%", "800/100%", "1000/0%", "1000/50%", "1000/100%"],
  );
  assert.deepEqual(await grid.items({ tokensOf, data: folder, count: 200 }), items);
  assert.deepEqual(await grid.items({ tokensOf, data: folder, count: 4 }), items.slice(0, 4));
  for (const item of items) {
    const [, context, key] =
      /^A special magic number is hidden within the following text\. Make sure to memorize it\. I will quiz you about the number afterwards\.\n(.*)\nWhat is the special magic number for ([a-z-]+) mentioned in the provided text\?$/.exec(
        item.question,
      )!;
    const needle = `One of the special magic numbers for ${key} is: ${item.gold}.`;
    assert.equal(context.split(needle).length, 2);
    const depth = Number(/(\d+)%/.exec(item.group!)![1]) / 100;
    const place = context.indexOf(needle) / (context.length - needle.length);
    assert.ok(Math.abs(place - depth) < 0.04, `${place} for ${depth}`);
    assert.match(context, /(First|Second) has sentence \d+, said "so"\. /);
    assert.equal(item.prefix, ` The special magic number for ${key} mentioned in the provided text is`);
    assert.equal(await scoreOf(grid, item, `It is ${Number(item.gold).toLocaleString("en-US")}.`), 1);
    assert.equal(await scoreOf(grid, item, `It is ${item.gold}0.`), null); // another number, of 8 digits
    assert.equal(await scoreOf(grid, item, "It is 1234567."), 0);
  }
  const noise = await task("needle:essays=0,from=600,to=600").items({ tokensOf, count: 1 });
  assert.match(noise[0].question, /There and back again\.\nThe grass is green\./);

  const [multi] = await task("multiquery:length=900").items({ ...options, data: folder, count: 1 });
  assert.match(
    multi.question,
    /^Some special magic numbers are .* for ([a-z]+-[a-z]+, ){3}and [a-z]+-[a-z]+ mentioned/s,
  );
  assert.equal(multi.words.length, 4);
  assert.equal(await scoreOf(task("multiquery"), multi, `${multi.words[2]} and ${multi.words[0]}`), 0.5);

  const [values] = await task("multivalue:length=900").items({ ...options, data: folder, count: 1 });
  assert.equal(values.question.match(/One of the special magic numbers for ([a-z-]+) is/g)?.length, 4);
  assert.equal(new Set(values.question.match(/numbers for [a-z-]+ is/g)).size, 1);
  assert.equal(new Set(values.words).size, 4);

  for (const [variant, key, value] of [
    [2, /[a-z]+-[a-z]+/, /\d{7}/],
    [3, /[0-9a-f-]{36}/, /[0-9a-f-]{36}/],
  ] as const) {
    const spec = `multikey:length=1500,variant=${variant}`;
    for (const item of await task(spec).items({ ...options, count: 8 })) {
      const pairs = [...item.question.matchAll(/One of the special magic (?:numbers|uuids) for (\S+) is: (\S+)\./g)];
      assert.ok(pairs.length > 30);
      for (const [, k, v] of pairs) assert.ok(key.test(k) && value.test(v), `${k} ${v}`);
      assert.equal(new Set(pairs.map(([, k]) => k)).size, pairs.length);
      const asked = /for (\S+) mentioned/.exec(item.question)![1];
      assert.deepEqual(
        pairs.filter(([, k]) => k === asked).map(([, , v]) => v),
        [item.gold],
      );
    }
  }
});

test("variables: the answer follows from the text alone", async () => {
  for (const spec of ["variables:length=1200", "variables:length=1200,chains=3,hops=2"])
    for (const item of await task(spec).items(options)) {
      const [example, asked] = item.question.split("\n\nMemorize");
      assert.match(example, /assigned the value \d{5}, they are: [A-Z]{3}( [A-Z]{3})+$/);
      const value = /assigned the value (\d{5}) in/.exec(asked)![1];
      const values = new Map<string, string>();
      for (const [, name, other, number] of asked.matchAll(/^VAR ([A-Z]{5}) = (?:VAR ([A-Z]{5})|(\d{5}))$/gm)) {
        assert.ok(number || values.has(other), "assigned before it is used");
        values.set(name, number ?? values.get(other)!);
      }
      assert.deepEqual(
        [...values].filter(([, v]) => v === value).map(([name]) => name),
        item.words,
      );
      assert.equal(values.size, spec.includes("chains=3") ? 9 : 5);
      assert.ok(item.prefix.endsWith(`${item.words.length} variables are assigned the value ${value}, they are:`));
      assert.equal(await scoreOf(task(spec), item, `${item.words[0]}, ZZZZZ`), 1 / item.words.length);
    }
});

test("common words: counted, they are the answer", async () => {
  for (const [length, often, seldom] of [
    [2000, 6, 1],
    [4500, 30, 3],
  ])
    for (const item of await task(`common-words:length=${length}`).items({ ...options, count: 3 })) {
      const list = item.question.slice(item.question.lastIndexOf("Below is"));
      const counts = new Map<string, number>();
      for (const [, word] of list.matchAll(/\d+\. ([a-z-]+)/g)) counts.set(word, (counts.get(word) ?? 0) + 1);
      const common = [...counts].filter(([, count]) => count === often).map(([word]) => word);
      assert.deepEqual(common.sort(), [...item.words].sort());
      assert.ok([...counts.values()].every((count) => count === often || count === seldom));
      assert.ok(counts.size > 40);
      const reply = `1. ${item.words[0]} 2. ${item.words[1].toUpperCase()} 3. zzz`;
      assert.equal(await scoreOf(task("common-words"), item, reply), 0.2);
    }
  assert.equal(new Set(differentWords(seeded(1), 5000)).size, 5000);
  assert.throws(() => differentWords(seeded(1), 1e6), { code: "bad-argument" });
  assert.match(compound(seeded(1)), /^[a-z]+-[a-z]+$/);
});

test("frequent words: counted, the three after the noise are the answer", async () => {
  for (const item of await task("frequent-words:length=2000").items(options)) {
    const text = /coded words\. (.*)\nQuestion/.exec(item.question)![1].split(" ");
    const counts = new Map<string, number>();
    for (const word of text) counts.set(word, (counts.get(word) ?? 0) + 1);
    const ranked = [...counts].sort(([, a], [, b]) => b - a);
    assert.equal(ranked[0][0], "...");
    assert.deepEqual(
      ranked.slice(1, 4).map(([word]) => word),
      item.words,
    );
    assert.ok(ranked[3][1] > ranked[4][1]);
    assert.ok(Math.abs(ranked[1][1] / ranked[0][1] - 1 / 4) < 0.02);
    assert.equal(await scoreOf(task("frequent-words"), item, `They are ${item.words[1]}.`), 1 / 3);
  }
});
