// Memory that nobody uses: a session for many long chains touches what it holds, not what it could hold.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { cpuAvailable } from "../../src/device/cpu.ts";

const MIB = 2 ** 20;
const script = fileURLToPath(new URL("../support/memory.ts", import.meta.url));

describe("resident memory, 64 chains of Qwen3-0.6B's lanes", { skip: cpuAvailable() ?? false }, () => {
  for (const context of [40_960, 131_072])
    test(`context ${context}`, () => {
      const args = ["--expose-gc", script, String(context)];
      const measure = () => JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
      // What other work has the collector and the compiler keep only adds: the least of three is what it takes.
      const runs = Array.from({ length: 3 }, measure);
      const least = (of: (run: Record<"open" | "chains" | "pages", number>) => number) => Math.min(...runs.map(of));
      const open = least((run) => run.open);
      assert.ok(open <= 48 * MIB, `opening a session took ${(open / MIB).toFixed(1)} MiB, expected at most 48`);
      const pages = least((run) => run.pages);
      assert.ok(pages > 64 * 28 * 8 * 8000, `${pages} bytes of pages: fewer than one page per lane`);
      const beside = least((run) => run.chains - run.pages);
      assert.ok(beside <= 16 * MIB, `64 chains took ${(beside / MIB).toFixed(1)} MiB beside their pages, expected 16`);
    });
});
