// What a decode step does not do: make anything on the device, keep memory, or touch more of
// the tables the longer the context is.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Device } from "../../src/device/device.ts";
import { devices } from "../device/devices.ts";
import { counted } from "../support/counted.ts";
import { decode, readPrompt } from "../support/feed.ts";
import { POLICIES } from "../support/policies.ts";
import { spec, tinyRunner } from "../support/runner.ts";
import { randomTokens } from "../support/tiny.ts";

const candidate = devices.at(-1)!; // the fastest there is
const STEPS = 64;

/** A set that has read a prompt, and the tokens that it goes on with. */
async function reading(device: Device, policy: string, prompt: number, steps: number) {
  const runner = tinyRunner(device, spec(policy), { seed: 5, window: 9 }, { contextLength: 2048, chunk: 64 });
  const ids = randomTokens(2, prompt + steps, 96);
  const set = runner.open(prompt, ids.length);
  await readPrompt(runner, set, ids, prompt);
  return { runner, ids, set };
}

/** What the host did in decode steps after a prompt, and the pages that the set had before them. */
async function counting(policy: string, prompt: number) {
  const { device, counts } = counted(candidate.open());
  const { runner, ids, set } = await reading(device, policy, prompt, STEPS);
  const pages = runner.table.pagesOf(set);
  const { labels, cut } = runner.policy;
  // Every page counts once more where a cut is due, and once where doomed keys leave.
  const looks = cut?.decode ? Math.ceil(STEPS / cut.decode.every) : labels ? 1 : 0;
  const before = { ...counts };
  for (let from = prompt; from < ids.length; from++) {
    await runner.run([{ set, kind: "steps", ids, from, count: 1, logits: "last" }]);
  }
  device.close();
  return { made: counts.made - before.made, touched: counts.touched - before.touched, pages, looks };
}

describe(`decode steps, ${candidate.name}`, () => {
  for (const policy of POLICIES)
    test(`${policy}: nothing is made, and a context 16 times as long costs at most a look at its pages`, async () => {
      const [short, long] = [await counting(policy, 64), await counting(policy, 1024)];
      assert.deepEqual([short.made, long.made], [0, 0]);
      assert.ok(short.touched > STEPS, "nothing was counted");
      const most = 3 * (long.pages - short.pages) * long.looks; // an entry, its holders, and its place once it is free
      assert.ok(
        long.touched - short.touched <= most,
        `${long.touched} numbers, and ${short.touched} of the short context`,
      );
    });
});

test("memory of the process does not grow with steps", { skip: process.platform !== "linux" }, async () => {
  // Address space of data but V8's heap, which finds its size: what was mapped and not given back shows, touched or
  // not.
  const mapped = () =>
    Number(/^VmData:\s*(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) / 1024 -
    process.memoryUsage().heapTotal / 2 ** 20;
  const device = candidate.open();
  const prompt = 64;
  const { runner, ids, set } = await reading(device, "streaming:budget=30,prefill=sparse", prompt, 1900);
  const seen: number[] = [];
  await decode(runner, set, ids, prompt, () => {
    seen.push(mapped());
  });
  device.close();
  const [warm, last] = [seen[600], seen.at(-1)!]; // until then V8 compiles, and its heap finds its size
  assert.ok(
    last - warm < 20,
    `${warm} MiB after 600 steps, ${last} MiB after ${seen.length}: more than 16 KiB per step`,
  );
});

test("kernels allocate nothing: memory is mapped before a pass, where it is planned", () => {
  // What opens a device, makes its objects, reads keys back between passes, and plans a pass.
  const BEFORE = new Set([
    "binding.cc",
    "device.cc",
    "device.h",
    "keys.cc",
    "memory.cc",
    "memory.h",
    "measure.cc",
    "napi.h",
    "plan.cc",
    "threads.cc",
  ]);
  const allocates =
    /\bnew [A-Za-z]|\b(m|c|re)alloc\(|\bmmap\(|memoryMap|std::(string|vector|deque|map|function|make_(unique|shared)|\w+_ptr)\b/;
  const folder = fileURLToPath(new URL("../../kernels/", import.meta.url));
  const found = readdirSync(folder)
    .filter((name) => /\.(cc|h)$/.test(name))
    .filter((name) => allocates.test(readFileSync(folder + name, "utf8").replace(/\/\/.*$/gm, "")));
  assert.deepEqual(
    found.filter((name) => !BEFORE.has(name)),
    [],
  );
  assert.ok(found.includes("plan.cc"), "the pattern finds what is there");
});
