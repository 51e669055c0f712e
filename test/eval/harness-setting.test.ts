// Which models run under which policies and budgets: parsed, paired, refused before anything is loaded.
import assert from "node:assert/strict";
import { symlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { fingerprintOfModel, knowModels, type ModelChoice } from "../../src/eval/harness/model.ts";
import { chooseSettings, parseSetting, type SettingChoice } from "../../src/eval/harness/setting.ts";
import { budgetName, scalingBudgets } from "../../src/scale/budget.ts";
import { beadsFiles, withFolder } from "../support/checkpoint.ts";

const at = (name: string) => fileURLToPath(new URL(`../../models/${name}`, import.meta.url));
const plain: ModelChoice = { path: at("beads"), adapters: [] };
const gated: ModelChoice = { path: at("beads"), adapters: [at("beads-dms-gates-4x")] };

const refused = (message: RegExp) => ({ code: "bad-argument", message });
const choose = async (choices: readonly SettingChoice[], context?: number) =>
  chooseSettings(
    choices,
    await knowModels(
      choices.map(({ model }) => model),
      { context },
    ),
  );
const of = (policy: string | undefined, budgets: string, model = plain): SettingChoice => ({
  ...{ model, policy },
  budgets: scalingBudgets(budgets),
});

test("a setting in a word: name, model, adapters, policy, budgets", () => {
  const one = parseSetting("mine=a/b+c+d:snapkv:window=8,kernel=3:1k-8-4,64-2-1", []);
  assert.deepEqual(one.model, { path: "a/b", adapters: ["c", "d"] });
  assert.deepEqual([one.name, one.policy, one.all], ["mine", "snapkv:window=8,kernel=3", true]);
  assert.deepEqual(one.budgets.map(budgetName), ["1k-8-4", "64-2-1"]);
  const shared = parseSetting("full=a:full", scalingBudgets("64-2-1"));
  assert.deepEqual([shared.policy, shared.all, shared.budgets.map(budgetName)], ["full", false, ["64-2-1"]]);
  for (const wrong of ["a", "a:full:1k-8-1", "n=a", "n=:full", "=a:full"])
    assert.throws(() => parseSetting(wrong, scalingBudgets("64-2-1")), refused(/expected NAME=MODEL/), wrong);
  assert.throws(() => parseSetting("n=a:full", []), refused(/expected a budget in it, or --budget for all/));
  assert.throws(() => parseSetting("n=a:full:1k-0-1", []), refused(/budget "1k-0-1"/));
});

test("each policy takes the budgets whose ratio it can, and says which it leaves out", async () => {
  const list = "64-2-1,64-2-4";
  const { settings, leftOut } = await choose([of("full", list), of("tova", list), of("tova:budget=20", list)]);
  assert.deepEqual(
    settings.map(({ id, cr }) => [id, cr]),
    [
      ["full 64-2-1", 1],
      ["tova 64-2-4", 4],
      ["tova:budget=20 64-2-1", 1],
    ],
  );
  assert.deepEqual(settings[0], { id: "full 64-2-1", policy: "full", model: "beads", length: 64, width: 2, cr: 1 });
  assert.equal(leftOut.length, 3);
  assert.match(leftOut[0], /^full 64-2-4 \(.*keeps everything/);
  assert.match(leftOut[1], /^tova 64-2-1 \(expected a ratio above 1, got 1\)$/);
  assert.match(leftOut[2], /^tova:budget=20 64-2-4 \(budget is given already/);
});

test("a policy that names its own size takes ratio 1", async () => {
  const both = "64-2-1,64-2-4";
  const ratio = async (policy: string, model = plain) => (await choose([of(policy, both, model)])).settings[0].cr;
  for (const policy of ["snapkv:budget=40", "tova:cr=2", "streaming:recent=20"]) assert.equal(await ratio(policy), 1);
  assert.equal(await ratio("dms:threshold=-1", gated), 1);
  for (const policy of ["snapkv", "tova:recent=3", "streaming", "streaming:sinks=2"])
    assert.equal(await ratio(policy), 4);
  assert.equal(await ratio("dms:window=4", gated), 4);
});

test("gates have the ratio that they were trained for, and are the default where they are", async () => {
  const { settings, leftOut } = await choose([of(undefined, "64-2-1,64-2-2,64-2-4", gated), of(undefined, "64-2-1")]);
  assert.deepEqual(
    settings.map(({ id, model, policy }) => [id, model, policy]),
    [
      ["beads+beads-dms-gates-4x dms 64-2-4", "beads+beads-dms-gates-4x", "dms"],
      ["beads full 64-2-1", "beads", "full"],
    ],
  );
  assert.equal(leftOut.length, 2);
});

test("a budget that is meant for a setting must fit it", async () => {
  const own = (text: string) => choose([parseSetting(text, [])]);
  const { settings } = await own(`four=${gated.path}+${gated.adapters[0]}:dms:64-2-4`);
  assert.equal(settings[0].id, "four");
  const two = await own(`t=${plain.path}:tova:64-2-4,32-2-4`);
  assert.deepEqual(
    two.settings.map(({ id }) => id),
    ["t 64-2-4", "t 32-2-4"],
  );
  await assert.rejects(own(`f=${plain.path}:full:64-2-1,64-2-4`), refused(/^f: policy full.*keeps everything/));
});

test("what cannot run is refused, with all reasons", async () => {
  await assert.rejects(choose([of("dms", "64-2-4")]), refused(/^dms: policy dms needs gates/));
  await assert.rejects(
    choose([of("dms", "64-2-2", gated)]),
    refused(/--cr 4 \(what this checkpoint was trained for\)/),
  );
  await assert.rejects(choose([of("kvzap", "64-2-1")]), refused(/needs a probe/));
  await assert.rejects(choose([of("nothing", "64-2-1")]), refused(/unknown policy "nothing"/));
  await assert.rejects(
    choose([of("tova:window=3", "64-2-1,64-2-4")]),
    refused(/^tova:window=3: policy tova has no window: expected budget, cr, recent, protect, got window=3$/),
  );
  await assert.rejects(
    choose([of("full", "4k-2-1")]),
    refused(/budget 4k-2-1: the context of beads, 4096 tokens, has/),
  );
  await assert.rejects(choose([of("full", "64-2-1")], 64), refused(/the context of beads, 64 tokens/));
  await assert.rejects(choose([of("full", "64-2-1"), of("full", "64-2-1")]), refused(/each once, got "full 64-2-1"/));
  await assert.rejects(choose([]), refused(/got none/));
});

test("a model's fingerprint is of its weights, its tokenizer and what is beside them", () =>
  withFolder(beadsFiles(), async (path) => {
    const now = await fingerprintOfModel(plain);
    // The same contents as they were written anew, but for the config's blanks.
    assert.notEqual(await fingerprintOfModel({ path, adapters: [] }), now);
    assert.equal(await fingerprintOfModel(plain), now);
    assert.notEqual(await fingerprintOfModel(gated), now);
    const before = await fingerprintOfModel({ path, adapters: [] });
    for (const name of ["generation_config.json", "tokenizer_config.json", "chat_template.jinja"]) {
      const last = await fingerprintOfModel({ path, adapters: [] });
      writeFileSync(`${path}/${name}`, "{ }");
      assert.notEqual(await fingerprintOfModel({ path, adapters: [] }), last, name);
    }
    assert.notEqual(await fingerprintOfModel({ path, adapters: [] }), before);
  }));

test("models of one name are told apart by their paths", async () => {
  await withFolder(beadsFiles(), async (path) => {
    symlinkSync(plain.path, `${path}/beads`);
    const models = await knowModels([plain, { path: `${path}/beads`, adapters: [] }], {});
    assert.deepEqual(
      [...models.values()].map(({ name }) => name),
      [plain.path, `${path}/beads`],
    );
  });
});

test("a setting may have budgets of thinking of its own", async () => {
  const deep = (depth: SettingChoice["depth"]) => choose([{ ...of("full", "64-2-1,32-2-1"), depth }]);
  const { settings } = await deep({ room: 12, nudges: 1 });
  assert.deepEqual(
    settings.map(({ thinkMost, nudges }) => [thinkMost, nudges]),
    [
      [52, 1],
      [20, 1],
    ],
  );
  assert.deepEqual(Object.keys((await deep({ nudges: 2 })).settings[0]).includes("thinkMost"), false);
  for (const room of [0, 32, 1.5]) await assert.rejects(deep({ room }), refused(/room for an answer: expected 1 to/));
});
