// Sharing survives DMS: chains that evict never touch the pages that they share.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LaneTable } from "../../src/cache/lanes.ts";
import { entryAt, PAGE_SLOTS } from "../../src/device/device.ts";
import { devices } from "../device/devices.ts";
import { pass, readPrompt } from "../support/feed.ts";
import { spec, tinyRunner } from "../support/runner.ts";
import { randomTokens } from "../support/tiny.ts";

const W = 8;

/** Full pages of a set's archives. */
function fullPages({ device, width }: LaneTable, set: number): number[] {
  const { shape, archive, archiveTable } = device;
  return Array.from({ length: width }, (_, i) => set * width + i).flatMap((lane) =>
    Array.from(
      { length: Math.floor(archive.host[lane] / PAGE_SLOTS) },
      (_, e) => archiveTable.host[entryAt(shape, shape.archivePages, lane, e)],
    ),
  );
}

/**
 * Forks W chains off a prompt and decodes three windows past it; archive pages full at the fork, those still
 * shared by all, and the root's pages.
 */
async function run(candidate: (typeof devices)[number], window: number, prompt: number, gateOffset: number) {
  const device = candidate.open();
  const runner = tinyRunner(
    device,
    spec("dms"),
    { seed: 2, window, gateOffset },
    {
      kv: "bf16",
      kvBytes: 1 << 25,
      chains: W + 1,
      sets: W + 1,
      contextLength: 4096,
      chunk: 256,
      rows: 256,
    },
  );
  const { table } = runner;
  const root = runner.open(prompt);
  const ids = randomTokens(1, prompt, 96);
  await readPrompt(runner, root, ids, prompt);
  // Pages of the prompt that outlive the windows: its archive. Doomed pages of the
  // prompt are freed by every chain in time.
  const archives = Array.from({ length: table.width }, (_, i) => table.device.archive.host[root * table.width + i]);
  const pages = archives.reduce((sum, slots) => sum + Math.ceil(slots / PAGE_SLOTS), 0);
  const keptShare = archives.reduce((sum, slots) => sum + slots, 0) / (prompt * table.width);
  const full = fullPages(table, root).length;
  const sets = Array.from({ length: W }, () => runner.sets.fork(root));
  const own = sets.map((_, i) => [...ids, ...randomTokens(100 + i, 3 * window, 96)]);
  const stride = 32; // tokens per chain and pass
  for (let at = prompt; at < prompt + 3 * window; at += stride) {
    const count = Math.min(stride, prompt + 3 * window - at);
    await pass(
      runner,
      sets.map((set, i) => ({ set, kind: "steps", ids: own[i], from: at, count })),
    );
  }
  const grown = fullPages(table, sets[0]).length;
  // The root itself holds them too.
  const shared = fullPages(table, root).filter((page) => table.pool.holders[page] >= W + 1).length;
  for (const set of [root, ...sets]) runner.sets.close(set);
  table.check();
  assert.equal(table.pool.used, 0);
  device.close();
  return { full, shared, pages, grown, keptShare };
}

for (const candidate of devices.filter((d) => d.name !== "cpu, threads 1"))
  describe(`sharing on ${candidate.name}`, () => {
    test("window 16: every archive page that was full at the fork is shared by all eight", async () => {
      const { full, shared, grown } = await run(candidate, 16, 200, 0);
      assert.ok(full > 10 && grown > full, `${full} full pages at the fork, ${grown} later: too few to show anything`);
      assert.equal(shared, full);
    });
    if (candidate.name !== "reference")
      for (const gateOffset of [0, -1.5]) // about half and two thirds of the keys doomed
        test(`window 256, prompt 2,560, gate offset ${gateOffset}: these are at least 95% of the prompt's pages`, async () => {
          const { full, shared, pages, keptShare } = await run(candidate, 256, 2560, gateOffset);
          assert.ok(
            keptShare > 0.2 && keptShare < 0.7,
            `${keptShare} of the prompt's keys kept: not what this test is about`,
          );
          assert.equal(shared, full);
          assert.ok(full / pages >= 0.95, `${full} of ${pages} pages`);
        });
  });
