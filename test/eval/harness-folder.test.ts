// What is left in a folder whatever ends the program, and which runs may go on in it.
import assert from "node:assert/strict";
import { appendFileSync, existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { EndedChain } from "../../src/eval/harness/chains.ts";
import { ENDED_FILE, Folder, type Place, placeKey } from "../../src/eval/harness/folder.ts";
import { CHAINS_FILE, HEAD_FILE, type RecordedChain, type RecordHead } from "../../src/eval/harness/record.ts";
import type { Fingerprints } from "../../src/eval/harness/resume.ts";
import { LOCK_FILE } from "../../src/train/disk/lock.ts";
import { withFolder } from "../support/checkpoint.ts";
import { otherWriter } from "../support/writer.ts";

const task = (spec: string, ids: readonly string[], kind: "vote" | "value" = "vote"): RecordHead["tasks"][number] => ({
  ...{ spec, name: spec, source: "here", kind },
  fingerprint: `${spec} ${ids.join()}`,
  problems: ids.map((id) => ({ id })),
});
const setting = (id: string, width = 3) => ({ id, policy: "full", model: "m", length: 64, width, cr: 1 });
const head: RecordHead = {
  version: 1,
  models: [{ name: "m", path: "a/m", adapters: [], fingerprint: "f" }],
  tasks: [task("t", ["p", "q"]), task("v", ["x"], "value")],
  settings: [setting("one"), setting("two", 2)],
  seed: 0,
  sampling: { temperature: null, stop: null },
  machine: { device: "cpu", isa: "avx2", dtype: "bf16" },
};
const fingerprints: Fingerprints = (spec, ids) => `${spec} ${ids.join()}`;
const open = (path: string, now = head) => Folder.open(path, now, fingerprints);

const ended = (chain: number): EndedChain => ({
  ...{ chain, text: `says ${chain} é\n`, end: "finished", why: null, opened: false, tokens: 3, reads: 9, fullReads: 9 },
  ...{ peakKeys: 5, peakBytes: 640, seconds: 1, loop: null },
  prompt: { tokens: 4, keys: 4, bytes: 512, peakKeys: 4, peakBytes: 512 },
});
const p: Place = { task: "t", setting: "one", problem: "p" };
const q: Place = { ...p, problem: "q" };
const recorded = (place: Place, chain: number): RecordedChain => {
  const { opened: _, ...facts } = ended(chain);
  return { ...place, ...facts, key: "7", score: 1, answer: "7", why: null, seed: 1 };
};
const whole = (place: Place, width = 3) => Array.from({ length: width }, (_, chain) => recorded(place, chain));
const lines = (file: string) => readFileSync(file, "utf8").split("\n").slice(0, -1);

/** A run that wrote problem p whole, and two chains of q. */
async function begin(path: string): Promise<void> {
  const folder = await open(path);
  for (const chain of [2, 0, 1]) await folder.writeEnded(p, ended(chain));
  for (const chain of [1, 0]) await folder.writeEnded(q, ended(chain));
  await folder.writeGraded(whole(p));
  folder.close();
}

test("what was written is found again: whole problems, and chains of others", () =>
  withFolder({}, async (path) => {
    await begin(join(path, "new/run"));
    const folder = await open(join(path, "new/run"));
    assert.deepEqual([...folder.graded.keys()], [placeKey(p)]);
    const [row] = folder.graded.get(placeKey(p))!;
    assert.deepEqual([row.chain, row.key, row.reads, "text" in row], [0, "7", 9, false]);
    assert.deepEqual([...folder.ended.keys()], [placeKey(q)]);
    assert.deepEqual(folder.ended.get(placeKey(q)), [ended(1), ended(0)]);
    assert.equal(lines(join(path, "new/run", ENDED_FILE)).length, 2); // those of p have gone on
    await folder.finish();
    folder.close();
    assert.deepEqual(readdirSync(join(path, "new/run")).sort(), [CHAINS_FILE, HEAD_FILE]);
  }));

test("killed within a line, at any byte: whole problems stay, half of one is made again of what ended", () =>
  withFolder({}, async (path) => {
    await begin(path);
    const file = join(path, CHAINS_FILE);
    const sound = readFileSync(file);
    const before = readFileSync(join(path, ENDED_FILE));
    for (let to = 0; to <= sound.length; to += to < sound.length - 5 && to > 5 ? 37 : 1) {
      writeFileSync(file, sound.subarray(0, to));
      writeFileSync(join(path, ENDED_FILE), before);
      const folder = await open(path);
      const isWhole = to === sound.length;
      assert.deepEqual([...folder.graded.keys()], isWhole ? [placeKey(p)] : [], `${to} bytes`);
      assert.equal(folder.ended.get(placeKey(p))?.length, isWhole ? undefined : 3);
      await folder.writeGraded(whole(isWhole ? q : p));
      folder.close();
      assert.equal(lines(file).length, isWhole ? 6 : 3);
      for (const line of lines(file)) JSON.parse(line);
    }
  }));

test("killed within a line of what ended: the chain runs again, the others are kept", () =>
  withFolder({}, async (path) => {
    await begin(path);
    const file = join(path, ENDED_FILE);
    const sound = readFileSync(file, "utf8");
    const places = [...sound.matchAll(/\n/g)].map(({ index }) => index + 1);
    for (const to of [places[3] + 1, places[4] - 1, places[3]]) {
      writeFileSync(file, sound.slice(0, to));
      const folder = await open(path);
      assert.deepEqual(folder.ended.get(placeKey(q)), [ended(1)]);
      await folder.writeEnded(q, ended(0));
      folder.close();
      const again = await open(path);
      assert.deepEqual(again.ended.get(placeKey(q)), [ended(1), ended(0)]);
      again.close();
    }
    writeFileSync(join(path, `${CHAINS_FILE}.tmp-123`), "half"); // of a program that was killed while it put this right
    (await open(path)).close();
    assert.ok(!existsSync(join(path, `${CHAINS_FILE}.tmp-123`)));
  }));

test("lines that are missing are run again, lines that are there twice or belong nowhere are refused", () =>
  withFolder({}, async (path) => {
    await begin(path);
    const file = join(path, CHAINS_FILE);
    const [first, second, third] = lines(file);
    writeFileSync(file, `${first}\n${third}\n`);
    const folder = await open(path);
    assert.equal(folder.graded.size, 0);
    folder.close();
    assert.equal(readFileSync(file, "utf8"), "");
    const refused = async (text: string, message: RegExp) => {
      writeFileSync(file, text);
      await assert.rejects(open(path), { code: "bad-file", message });
      assert.equal(readFileSync(file, "utf8"), text); // nothing was touched
    };
    await refused(`${first}\n${second}\n${first}\n`, /line 3: expected each of the chains 0 to 2 once, got 0$/);
    const stray = (change: object) => `${JSON.stringify({ ...recorded(p, 0), ...change })}\n`;
    for (const change of [{ task: "u" }, { setting: "three" }, { problem: "r" }])
      await refused(stray(change), /line 1: expected a chain of this evaluation, got one of another task/);
    await refused(stray({ chain: 3 }), /expected each of the chains 0 to 2 once, got 3/);
    await refused(`3\n`, /line 1: expected a chain of this evaluation/);
    await refused(`null\n`, /line 1: expected a chain of this evaluation/);
    await refused(`${first}x\n`, /line 1: expected JSON/);
    const wrong = whole(p).map((row) => `${JSON.stringify({ ...row, reads: null })}\n`);
    await refused(wrong.join(""), /reads: expected a number from 0, got null/);
    writeFileSync(file, "");
    appendFileSync(join(path, ENDED_FILE), stray({ problem: "r" }));
    await assert.rejects(open(path), { code: "bad-file", message: /ended\.jsonl: line 6: expected a chain of this/ });
  }));

test("a value is one line, whatever the width", () =>
  withFolder({}, async (path) => {
    const folder = await open(path);
    const place = { task: "v", setting: "one", problem: "x" };
    await folder.writeGraded([recorded(place, 0)]);
    folder.close();
    const again = await open(path);
    assert.deepEqual([...again.graded.keys()], [placeKey(place)]);
    again.close();
  }));

test("one program at a time; one that was killed is none", () =>
  withFolder({}, async (path) => {
    const lock = join(path, LOCK_FILE);
    const folder = await open(path);
    await assert.rejects(open(path), {
      code: "bad-argument",
      message: new RegExp(`another program writes to it, process ${process.pid} on .*: expected one at a time`),
    });
    assert.ok(existsSync(lock));
    folder.close();
    assert.ok(!existsSync(lock));

    // Another program, while it runs and after it was killed.
    const { pid: other, kill } = await otherWriter(path);
    await assert.rejects(open(path), { message: new RegExp(`process ${other} on `) });
    await kill();
    (await open(path)).close();
    assert.ok(!existsSync(lock));

    // Numbers of processes are given again: this one has another start.
    const [pid, host] = [process.pid, hostname()];
    if (existsSync("/proc/self/stat")) {
      writeFileSync(lock, JSON.stringify({ pid, host, started: "1" }));
      (await open(path)).close();
    }
    writeFileSync(lock, "{"); // killed while it wrote this
    // Perhaps another writes it at this moment.
    await assert.rejects(open(path), { message: /another program writes to it: expected one at a time/ });
    utimesSync(lock, 0, 0);
    (await open(path)).close();
    writeFileSync(lock, JSON.stringify({ pid: 1, host: "elsewhere", started: "1" }));
    await assert.rejects(open(path), {
      message: /process 1 on elsewhere: .*or remove .*writer\.json where there is none/,
    });
    assert.deepEqual(JSON.parse(readFileSync(lock, "utf8")).host, "elsewhere");
  }));

test("wall time adds up over the programs that ran; where an older one did, it is not known", () =>
  withFolder({}, async (path) => {
    const file = join(path, HEAD_FILE);
    const seconds = () => JSON.parse(readFileSync(file, "utf8")).seconds;
    const first = await open(path);
    assert.equal(seconds(), 0);
    await sleep(30);
    const told = await first.noteSeconds();
    assert.equal(seconds(), told.seconds);
    assert.ok(told.seconds! > 0.02 && told.seconds! < 20);
    first.close();
    writeFileSync(file, JSON.stringify({ ...head, seconds: 1000 }));
    const second = await open(path);
    await sleep(30);
    const { seconds: sum } = await second.noteSeconds();
    assert.ok(sum! > 1000.02 && sum! < 1020, `${sum}`);
    second.close();
    writeFileSync(file, JSON.stringify(head));
    const third = await open(path);
    await third.noteSeconds();
    third.close();
    assert.equal(seconds(), undefined);
  }));

describe("which runs may go on", () => {
  test("Python of another version is refused, where both versions are known", async () => {
    const on = (python?: string): RecordHead => ({
      ...head,
      tasks: [
        { ...head.tasks[0], ...(python && { programs: { isolation: "namespaces", ownUid: false, python } }) },
        head.tasks[1],
      ],
    });
    await withFolder({}, async (path) => {
      for (const known of [undefined, "3.12.3", undefined, "3.13.0", "3.13.0"]) (await open(path, on(known))).close();
      await assert.rejects(open(path, on("3.12.3")), {
        code: "bad-argument",
        message: /task t: Python was "3\.13\.0", now "3\.12\.3"/,
      });
    });
  });

  const differs = (now: RecordHead, message: RegExp, marks = fingerprints) =>
    withFolder({}, async (path) => {
      await begin(path);
      const before = readFileSync(join(path, HEAD_FILE), "utf8");
      await assert.rejects(Folder.open(path, now, marks), { code: "bad-argument", message });
      assert.equal(readFileSync(join(path, HEAD_FILE), "utf8"), before);
    });

  test("what differs is refused by name", async () => {
    await differs({ ...head, seed: 3 }, /cannot be gone on in: seed was 0, now 3; give what the run was begun with/);
    await differs({ ...head, sampling: { temperature: 0.5, stop: null } }, /temperature was null, now 0\.5/);
    await differs({ ...head, sampling: { temperature: null, stop: '["x"]' } }, /stop was null, now/);
    await differs({ ...head, machine: { ...head.machine, isa: "avx512" } }, /isa was "avx2", now "avx512"/);
    await differs(
      { ...head, models: [{ ...head.models[0], fingerprint: "g" }] },
      /model m has other files than it had/,
    );
    await differs({ ...head, settings: [setting("one")] }, /setting two is not given/);
    const four = { ...setting("two", 2), cr: 4, policy: "tova" };
    await differs(
      { ...head, settings: [setting("one"), four] },
      /setting two: policy was "full", now "tova"; setting two: cr was 1, now 4/,
    );
    await differs({ ...head, tasks: [head.tasks[0]] }, /task v is not given/);
    await differs(
      { ...head, tasks: [task("t", ["p"]), head.tasks[1]] },
      /task t had problem "q" of 2, now it has 1 without it/,
    );
    await differs(head, /task t has other problems than it had, or asks them otherwise/, (spec, ids) =>
      spec === "t" ? "other" : fingerprints(spec, ids),
    );
    await differs({ ...head, tasks: [{ ...head.tasks[0], kind: "pass" }, head.tasks[1]] }, /task t: kind was "vote"/);
  });

  test("other code that grades is refused once it would be mixed with what is there", () =>
    withFolder({}, async (path) => {
      const by = (code?: string) => ({ ...head, tasks: [{ ...head.tasks[0], code }, head.tasks[1]] });
      (await open(path, by("one"))).close();
      const folder = await open(path, by("two")); // nothing was graded
      for (const chain of [0, 1, 2]) await folder.writeEnded(p, ended(chain));
      folder.close();
      const third = await open(path, by("three"));
      await third.writeGraded(whole(p));
      third.close();
      await assert.rejects(open(path, by("four")), {
        code: "bad-argument",
        message:
          /task t has other code \("three", now "four"\), which may grade otherwise than the chains that are there/,
      });
      (await open(path, by())).close(); // not known: an older program, or an object from elsewhere
      (await open(path, by("five"))).close();
    }));

  test("tasks, settings and problems may come, paths may move; what was done stays", () =>
    withFolder({}, async (path) => {
      await begin(path);
      const more: RecordHead = {
        ...head,
        models: [{ ...head.models[0], path: "elsewhere/m" }],
        tasks: [task("new", ["a"]), task("t", ["o", "p", "q"]), head.tasks[1]],
        settings: [setting("three"), ...head.settings],
      };
      const folder = await open(path, more);
      assert.deepEqual([...folder.graded.keys()], [placeKey(p)]);
      folder.close();
      const { seconds, ...told } = JSON.parse(readFileSync(join(path, HEAD_FILE), "utf8"));
      assert.deepEqual([told, typeof seconds], [more, "number"]);
      await assert.rejects(open(path, head), { message: /setting three is not given; task new is not given/ });
    }));

  test("a folder of something else is left alone", () =>
    withFolder({ [CHAINS_FILE]: "" }, async (path) => {
      await assert.rejects(open(path), { code: "bad-file", message: /expected run\.json beside chains\.jsonl/ });
      writeFileSync(join(path, HEAD_FILE), '{"version": 2}');
      await assert.rejects(open(path), { code: "bad-file", message: /expected version 1 .*, got 2/ });
      writeFileSync(join(path, HEAD_FILE), '{"version": 1, "models": []}');
      await assert.rejects(open(path), { code: "bad-file", message: /expected models, tasks with problems, settings/ });
      await assert.rejects(open(join(path, HEAD_FILE)), {
        code: "bad-argument",
        message: /a folder that can be written/,
      });
      assert.deepEqual(readdirSync(path).sort(), [CHAINS_FILE, HEAD_FILE]);
    }));

  test("so is a model's", () =>
    withFolder({ "config.json": "{}" }, async (path) => {
      await assert.rejects(open(path), { code: "bad-argument", message: /holds config\.json and nothing of an eval/ });
      assert.deepEqual(readdirSync(path), ["config.json"]);
    }));
});
