// Evaluations of the small reasoner: whole, stopped, killed, and with more to do than before.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { cpuAvailable } from "../../src/device/cpu.ts";
import type { TaskChoice } from "../../src/eval/harness/asked.ts";
import { type EvaluateEvent, type EvaluateOptions, evaluate } from "../../src/eval/harness/evaluate.ts";
import { ENDED_FILE } from "../../src/eval/harness/folder.ts";
import { CHAINS_FILE } from "../../src/eval/harness/record.ts";
import type { SettingChoice } from "../../src/eval/harness/setting.ts";
import { openTask } from "../../src/eval/tasks/open.ts";
import { ownTask } from "../../src/eval/tasks/own.ts";
import type { Task, VoteTask } from "../../src/eval/tasks/task.ts";
import { load } from "../../src/request/session.ts";
import { scalingBudgets } from "../../src/scale/budget.ts";
import { scale } from "../../src/scale/scale.ts";
import { withFolder } from "../support/checkpoint.ts";
import { chainsOf, headOf, untimed } from "../support/records.ts";

const at = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const unrun = cpuAvailable();
const BEADS = "beads:low=2,high=5,distractors=2";
const beads: TaskChoice = { spec: BEADS, task: await openTask(BEADS) };
const full: SettingChoice = {
  ...{ model: { path: at("models/beads"), adapters: [] }, policy: "full" },
  budgets: scalingBudgets("300-4-1"),
};
const gated: SettingChoice = {
  ...{ name: "dms", model: { path: at("models/beads-dms-full-4x"), adapters: [] }, policy: "dms", all: true },
  budgets: scalingBudgets("300-4-4"),
};
const tova: SettingChoice = { ...full, policy: "tova", budgets: scalingBudgets("300-3-2") };
const options = (out: string, other: Partial<EvaluateOptions> = {}): EvaluateOptions => ({
  ...{ out, tasks: [beads], settings: [full, gated], limit: 5, seed: 3 },
  ...{ load: { device: "cpu", threads: 1, kvMemory: 64 << 20 } },
  ...other,
});

describe("an evaluation", { skip: unrun ? `UNRUN: ${unrun}` : false }, () => {
  test("what a prompt that is read once gives each setting is what it gets alone", () =>
    withFolder({}, async (folder) => {
      const load = { device: "cpu", threads: 1, kvMemory: 64 << 20, chunk: 16 } as const;
      const settings = [full, tova, gated, { ...full, policy: "h2o", budgets: scalingBudgets("300-2-2") }];
      await evaluate(options(join(folder, "all"), { settings, load }));
      const alone: string[] = [];
      for (const [i, setting] of settings.entries()) {
        await evaluate(options(join(folder, `${i}`), { settings: [setting], load }));
        alone.push(...untimed(join(folder, `${i}`)));
      }
      const nameless = (line: string) => line.replace(/"setting":"[^"]*",/, ""); // a model among several is named too
      assert.deepEqual(untimed(join(folder, "all")).map(nameless).sort(), alone.map(nameless).sort());
    }));

  test("records every chain of every problem under every setting, and sums them up", () =>
    withFolder({}, async (out) => {
      const events: EvaluateEvent[] = [];
      const { rows, chains, head } = await evaluate(options(out), (event) => events.push(event));
      assert.deepEqual(headOf(out), JSON.parse(JSON.stringify(head)));
      assert.deepEqual([chains, chainsOf(out).length], [40, 40]);
      assert.equal(events[0].type, "start");
      assert.equal(events.filter(({ type }) => type === "problem").length, 10);
      assert.deepEqual(
        rows.map(({ setting, problems, width, by }) => [setting, problems, width, by]),
        [
          ["beads full 300-4-1", 5, 4, "vote"],
          ["dms", 5, 4, "vote"],
        ],
      );
      assert.ok(rows[0].average!.mean > 0.4 && rows[0].cr === 1 && rows[1].cr > 1.8, JSON.stringify(rows));
      assert.ok(rows[1].reads < rows[0].reads);
      const lines = chainsOf(out);
      // Paired: a problem's chains draw alike under every setting. Another problem's do not.
      const seeds = new Set(lines.map(({ problem, seed }) => `${problem} ${seed}`));
      assert.equal(seeds.size, 5);
      const [line] = lines.filter(({ chain, setting }) => chain === 2 && setting !== "dms");
      assert.deepEqual([line.prompt.keys, line.prompt.peakKeys], [line.prompt.tokens, line.prompt.tokens]);
      assert.ok(line.prompt.bytes > 0 && line.peakBytes >= line.prompt.bytes && line.peakKeys > line.prompt.keys);
      const gates = lines.find(({ setting, problem }) => setting === "dms" && problem === line.problem)!;
      assert.ok(gates.prompt.keys <= line.prompt.keys && gates.peakKeys < line.peakKeys);
      // What `scale` says with the recorded seed.
      await using session = await load({ model: full.model.path, device: "cpu", threads: 1 });
      const task = beads.task;
      assert.ok(task.kind === "vote");
      const item = (await task.items({ seed: 3, count: 5 })).find(({ id }) => id === line.problem)!;
      const { prompt } = task.ask(item, "chat");
      const asked = { ...task.sampling, maxTokens: 300, width: 4, seed: line.seed, earlyStop: false };
      const { chains: again } = await scale(session, prompt, { ...asked, policy: "full" }).result;
      assert.deepEqual(
        [again[2].text, again[2].tokens, again[2].kvReads, again[2].peakKeys, again[2].peakBytes],
        [line.text, line.tokens, line.reads, line.peakKeys, line.peakBytes],
      );
    }));

  test("stopped by its signal it goes on, and ends as one that was not; few or many in flight", () =>
    withFolder({}, async (folder) => {
      const [alone, stopped, narrow] = ["alone", "stopped", "narrow"].map((name) => join(folder, name));
      await evaluate(options(alone));
      let problems = 0;
      for (let stops = 1; ; stops++) {
        const controller = new AbortController();
        const onEvent = ({ type }: EvaluateEvent) => {
          if (type === "problem" && ++problems % 3 === 0) controller.abort();
        };
        const ran = evaluate(options(stopped, { signal: controller.signal }), onEvent);
        if (
          await ran.then(
            () => true,
            (error) => assert.equal(error.code, "aborted") ?? false,
          )
        ) {
          assert.ok(stops > 2);
          break;
        }
      }
      assert.equal(problems, 10); // none a second time
      assert.deepEqual(untimed(stopped), untimed(alone));
      assert.ok(!existsSync(join(stopped, ENDED_FILE)));
      await evaluate(options(narrow, { batch: 1 }));
      assert.deepEqual(untimed(narrow), untimed(alone));
    }));

  test("a grade that hangs ends with its run, whose chains are kept; what programs run on is recorded and told", () =>
    withFolder({}, async (out) => {
      const controller = new AbortController();
      const own = (grade: VoteTask["grade"]): TaskChoice => ({
        spec: "own",
        task: ownTask({
          name: "own",
          items: async () => [{ id: "a", question: "A jug holds 5 beads. How many does it hold?", gold: "5" }],
          extract: (_item, { text }) => ({ kind: "answer", text, key: "any" }),
          grade,
          runsOn: async () => ({ isolation: "namespaces", ownUid: true, python: "3.12.3" }),
        }),
      });
      const hanging = own(() => {
        controller.abort();
        return new Promise(() => {});
      });
      const asked = { settings: [{ ...full, budgets: scalingBudgets("40-2-1") }] };
      const notes: string[] = [];
      const onEvent = (event: EvaluateEvent) => event.type === "note" && notes.push(event.text);
      await assert.rejects(evaluate(options(out, { ...asked, tasks: [hanging], signal: controller.signal }), onEvent), {
        code: "aborted",
      });
      assert.match(notes.join(), /^own: programs run isolated \(namespaces\), but as this process's user/);
      const kept = readFileSync(join(out, ENDED_FILE), "utf8");
      assert.equal(kept.trimEnd().split("\n").length, 2);
      const { head } = await evaluate(options(out, { ...asked, tasks: [own(async () => 1)] }));
      assert.equal(head.tasks[0].programs?.python, "3.12.3");
      const seconds = chainsOf(out).map((chain) => chain.seconds);
      const before = kept
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).seconds);
      assert.deepEqual(seconds.sort(), before.sort()); // none ran again
    }));

  test("killed at random moments it loses no chain and repeats none", () =>
    withFolder({}, async (folder) => {
      const [alone, killed] = ["alone", "killed"].map((name) => join(folder, name));
      const args = ["--task", "beads:low=4,high=6", "--limit", "24", "--threads", "1", "--json"];
      const settings = [
        "--model",
        full.model.path,
        "--policy",
        "full",
        "--policy",
        "tova",
        "--budget",
        "400-4-1,400-4-2",
      ];
      const start = (out: string) =>
        spawn(process.execPath, [at("src/cli/main.ts"), "eval", ...args, ...settings, "--out", out], {
          stdio: "ignore",
        });
      const left = start(alone);
      const graded = () => statSync(join(killed, CHAINS_FILE), { throwIfNoEntry: false })?.size ?? 0;
      for (let kills = 0; kills < 3; kills++) {
        const before = graded();
        const child = start(killed);
        const gone = once(child, "exit");
        while (child.exitCode === null && graded() <= before) await sleep(5);
        await sleep(100 * Math.random());
        child.kill("SIGKILL");
        const [, signal] = await gone;
        assert.equal(signal, "SIGKILL", "it was over before it was killed: make it longer");
      }
      const kept = readFileSync(join(killed, CHAINS_FILE), "utf8").split("\n").slice(0, -1);
      const [code] = await once(start(killed), "exit");
      assert.equal(code, 0);
      if (left.exitCode === null) await once(left, "exit");
      assert.deepEqual(untimed(killed), untimed(alone));
      assert.equal(chainsOf(killed).length, 24 * 8);
      const now = readFileSync(join(killed, CHAINS_FILE), "utf8");
      const whole = kept.filter((line) => now.includes(`${line}\n`)); // times too: they were not run again
      assert.ok(kept.length > 0 && whole.length >= kept.length - 3, `${whole.length} of ${kept.length}`);
    }));

  test("more settings, tasks and problems may come; what was recorded stays as it is", () =>
    withFolder({}, async (folder) => {
      const [grown, once] = ["grown", "once"].map((name) => join(folder, name));
      const other = { spec: "beads:low=2,high=3", task: await openTask("beads:low=2,high=3") };
      await evaluate(options(grown, { limit: 3 }));
      const before = readFileSync(join(grown, CHAINS_FILE), "utf8");
      const more = { settings: [full, tova, gated], tasks: [beads, other] };
      const { rows } = await evaluate(options(grown, more));
      assert.ok(readFileSync(join(grown, CHAINS_FILE), "utf8").startsWith(before));
      await evaluate(options(once, more));
      assert.deepEqual(untimed(grown), untimed(once));
      assert.equal(rows.length, 6);
      assert.deepEqual(new Set(rows.map(({ problems }) => problems)), new Set([5]));
      await assert.rejects(evaluate(options(grown)), {
        code: "bad-argument",
        message: /beads tova 300-3-2 is not given/,
      });
      const refused = { code: "bad-argument", message: /had problem .* of 5, now it has 4 without it/ };
      await assert.rejects(evaluate(options(grown, { ...more, limit: 4 })), refused);
      const warmer = { chains: { temperature: 0.9 } };
      await assert.rejects(evaluate(options(grown, { ...more, ...warmer })), {
        message: /temperature was null, now 0\.9/,
      });
      const asText = { style: "text" } as const;
      await assert.rejects(evaluate(options(grown, { ...more, ...asText })), {
        message: /style was "chat", now "text"/,
      });
    }));

  test("a chain that fails is recorded so, and the others run on; a prompt that does not fit fails its own", () =>
    withFolder({}, async (folder) => {
      const small = { load: { ...options("").load, kvMemory: 300_000 } };
      const { rows } = await evaluate(options(join(folder, "small"), { ...small, settings: [full] }));
      const lines = chainsOf(join(folder, "small"));
      const failed = lines.filter(({ end }) => end === "failed");
      assert.ok(failed.length > 0 && failed.length < lines.length, `${failed.length} of ${lines.length} failed`);
      assert.equal(rows[0].failed, failed.length);
      for (const { key, score, why } of failed) {
        assert.deepEqual([key, score], [null, 0]);
        assert.match(why!, /the KV pool is too small for one chain/);
      }
      const long = { id: "long", question: "a jug ".repeat(200), gold: "1" };
      const short = { id: "short", question: "A jug holds 7 beads. How many beads does a jug hold?", gold: "7" };
      const mine = ownTask({ name: "mine", items: async () => [long, short] });
      const tasks = [{ spec: "mine.ts", task: mine }];
      const out = join(folder, "long");
      const near = { load: { ...options("").load, context: 340 } };
      const { rows: own } = await evaluate(options(out, { ...near, tasks, settings: [full] }));
      assert.equal(own[0].failed, 4);
      const ends = chainsOf(out).map(({ problem, end, why }) => [problem, end === "failed", why === null]);
      assert.equal(ends.filter(([problem, failed]) => problem === "long" && failed).length, 4);
      assert.equal(ends.filter(([problem, failed]) => problem === "short" && !failed).length, 4);
      assert.match(
        chainsOf(out).find(({ problem }) => problem === "long")!.why!,
        /fewer than the context limit of 340/,
      );
    }));

  test("likelihoods and perplexities: one number a problem", () =>
    withFolder({ "text.txt": "A jug holds 7 beads.\nA can holds 4 jugs and 2 beads.\n".repeat(40) }, async (folder) => {
      const choices = [" 7", " 5"];
      const choice = (id: string, right: number) => ({
        id,
        context: "A jug holds 7 beads. A jug holds",
        choices,
        right,
      });
      const likelier: Task = {
        ...{ name: "likelier", summary: "", source: "here", protocol: "", kind: "loglikelihood" },
        items: async () => [choice("a", 0), choice("b", 1), { ...choice("c", 0), context: "A ".repeat(600) }],
      };
      const spec = "perplexity:windows=6,length=64,prefix=32";
      const out = join(folder, "run");
      const asked = options(out, {
        tasks: [
          { spec: "likelier.ts", task: likelier },
          { spec, task: await openTask(spec), data: join(folder, "text.txt") },
        ],
        settings: [full, { ...full, policy: "knorm", budgets: scalingBudgets("300-4-4") }],
        load: { ...options("").load, context: 320 },
        limit: 4,
      });
      const { rows } = await evaluate(asked);
      assert.deepEqual(
        rows.map(({ by, width, problems, joint }) => [by, width, problems, joint]),
        [
          ["value", 1, 3, null],
          ["value", 1, 3, null],
          ["perplexity", 1, 4, null],
          ["perplexity", 1, 4, null],
        ],
      );
      const lines = chainsOf(out);
      assert.equal(lines.length, 14);
      const of = (problem: string) => lines.find((line) => line.problem === problem)!;
      assert.equal(of("a").score + of("b").score, 1); // one text, two golds
      assert.deepEqual([of("a").answer, of("a").end, of("a").chain], [of("b").answer, "finished", 0]);
      assert.equal(of("c").end, "failed");
      assert.ok(rows[0].reads > 0 && rows[0].cr === 1 && rows[1].cr > 1.5, "one token a choice, after the cut");
      const [plain, cut] = rows.slice(2).map(({ average }) => average!.mean);
      assert.ok(plain > 1 && cut > plain, `${plain} ${cut}`);
      const windows = lines.filter(({ setting, task }) => task === spec && setting === "full 300-4-1");
      const loss = windows.reduce((sum, { score }) => sum - Math.log(score), 0) / windows.length;
      assert.ok(Math.abs(Math.exp(loss) - plain) < 1e-9);
      assert.deepEqual([windows[0].prompt.tokens, windows[0].tokens], [32, 32]);
      const before = readFileSync(join(out, CHAINS_FILE), "utf8");
      await evaluate(asked);
      assert.equal(readFileSync(join(out, CHAINS_FILE), "utf8"), before);
    }));

  test("what cannot be run is refused before anything is asked", () =>
    withFolder({}, async (out) => {
      const refused = async (other: Partial<EvaluateOptions>, message: RegExp) =>
        assert.rejects(evaluate(options(out, other)), { code: "bad-argument", message });
      await refused({ tasks: [] }, /tasks: expected at least one, each once, got none/);
      await refused({ tasks: [beads, beads] }, /got beads:low=2,high=5,distractors=2 twice/);
      await refused({ settings: [] }, /expected a budget and a model or setting at least, got none/);
      await refused({ batch: 0 }, /batch: expected a whole number from 1, got 0/);
      await refused({ limit: 0.5 }, /limit: expected a whole number from 1, got 0\.5/);
      await refused({ seed: -1 }, /seed: expected/);
      await refused({ chains: { topP: 2 } }, /topP must be/);
      await refused({ chains: { stopIds: [9999] } }, /stop id 9999/);
      await refused({ chains: { thinkMost: 9 }, style: "text" }, /expected the style chat, got text/);
      await refused({ chains: { thinkMost: 0 } }, /thinkMost: expected a whole number from 1/);
      assert.deepEqual(readdirSync(out), []);
    }));
});
