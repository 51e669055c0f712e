// Problems as tasks give them: what no model is asked, and what a run may not go on with.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { askTask } from "../../src/eval/harness/asked.ts";
import { checkItems } from "../../src/eval/harness/items.ts";
import type { RecordHead } from "../../src/eval/harness/record.ts";
import { checkResume } from "../../src/eval/harness/resume.ts";
import { ownTask } from "../../src/eval/tasks/own.ts";
import type { Task } from "../../src/eval/tasks/task.ts";
import type { Session } from "../../src/request/session.ts";
import { withFolder } from "../support/checkpoint.ts";

/** What is asked here needs no model. */
const session = {} as Session;
const ask = (task: Task) => askTask(session, { spec: "mine.ts", task }, { seed: 0, style: "chat" });
const own = (items: unknown, other: object = {}) =>
  ask(ownTask({ name: "mine", items: async () => items as never, ...other }));
const one = { id: "a", question: "?", gold: "1" };

test("what a task of one's own gives is checked before a model is asked", async () => {
  const { recorded } = await own([one, { ...one, id: "b", group: "late" }]);
  assert.deepEqual(recorded.problems, [{ id: "a" }, { id: "b", group: "late" }]);
  const refused = (items: unknown, message: RegExp, other?: object) =>
    assert.rejects(own(items, other), { code: "bad-file", message });
  await refused([], /task mine\.ts: expected a list of problems, got an empty one/);
  await refused({ one }, /expected a list of problems, got/);
  await refused([one, one], /expected problems with an id each, got a twice/);
  await refused([one, { ...one, id: 7 }], /problem 1 of its list: id: .*expected string, received number/);
  await refused([{ ...one, id: "x".repeat(501) }], /problem 0 of its list: id: /);
  await refused([{ ...one, group: 3 }], /problem 0 of its list: group: /);
  await refused([null], /problem 0 of its list: problem: /);
  await refused([{ ...one, question: 5 }], /problem a to be asked with a prompt .*, got prompt 5/);
  await refused([one], /got prompt "\?", maxTokens "9"/, { ask: () => ({ prompt: "?", maxTokens: "9" }) });
  await refused([one], /got prompt nothing, maxTokens nothing/, { ask: () => undefined });
  const choices = (item: object) =>
    ask({
      ...{ kind: "loglikelihood", name: "c", summary: "", source: "", protocol: "" },
      items: async () => [{ id: "a", context: "x", choices: [" y"], right: 0, ...item }],
    });
  assert.equal((await choices({})).recorded.kind, "value");
  await assert.rejects(choices({ right: 1 }), { code: "bad-file", message: /right: expected a choice's index/ });
  await assert.rejects(choices({ choices: [7] }), { code: "bad-file", message: /choices\.0: / });
});

test("a task says which code grades it", () =>
  withFolder({}, async (folder) => {
    const spec = join(folder, "mine.ts");
    const task = ownTask({ name: "mine", items: async () => [one] });
    const code = async (spec: string) =>
      (await askTask(session, { spec, task }, { seed: 0, style: "chat" })).recorded.code;
    writeFileSync(spec, "export default 1;");
    const before = await code(spec);
    assert.match(before!, /^sha256 [0-9a-f]{64}$/);
    assert.equal(await code(spec), before);
    writeFileSync(spec, "export default 2;");
    assert.notEqual(await code(spec), before);
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    for (const ours of ["gsm8k", "beads:low=2", "some/file.jsonl"])
      assert.equal(await code(ours), `hyperthink ${version}`);
    for (const other of ["nothing", "a:b=c", join(folder, "none.ts")]) assert.equal(await code(other), undefined);
  }));

test("many problems take time by their number, not its square", () => {
  const many = Array.from({ length: 200_000 }, (_, i) => ({ ...one, id: `p${i}` }));
  const task = { spec: "t", name: "t", source: "", kind: "vote", fingerprint: "f", problems: many } as const;
  const head: RecordHead = {
    ...{ version: 1, models: [], tasks: [task], settings: [], seed: 0, sampling: {} },
    machine: { device: "cpu", isa: "any", dtype: "bf16" },
  };
  const started = process.cpuUsage();
  checkItems("t", "vote", many);
  assert.throws(() => checkItems("t", "vote", [...many, many[9]]), { message: /p9 twice/ });
  checkResume(
    "out",
    head,
    { ...head, tasks: [{ ...task, problems: [...many].reverse() }] },
    {
      fingerprints: () => "f",
      graded: new Set(),
    },
  );
  const { user, system } = process.cpuUsage(started); // in microseconds; by its square it would be minutes
  assert.ok(user + system < 15e6, `${user + system} us`);
});
