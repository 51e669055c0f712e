import assert from "node:assert/strict";
import { test } from "node:test";
import { openStatusLine } from "../../src/cli/status-line.ts";

function written(isLive: boolean): {
  lines: string[];
  tick: (ms: number) => void;
  status: Disposable & { show(line: string): void };
} {
  const lines: string[] = [];
  let now = 0;
  const stream = { columns: 24, write: (text: string) => lines.push(text) } as unknown as NodeJS.WriteStream;
  const status = openStatusLine(stream, () => now, isLive);
  return { lines, tick: (ms) => (now += ms), status };
}

test("a terminal redraws one line that never wraps, and is left clean, also by an error", () => {
  const { lines, status } = written(true);
  assert.throws(() => {
    using line = status;
    line.show("text 1 of 32, policy 2 of 40");
    throw new Error("stopped");
  });
  assert.deepEqual(lines, ["\rtext 1 of 32, policy 2 \x1b[K", "\r\x1b[K"]);
});

test("elsewhere a line comes every ten seconds", () => {
  const { lines, tick, status } = written(false);
  status.show("0 of 40");
  tick(10_000);
  status.show("3 of 40");
  tick(9_999);
  status.show("5 of 40");
  status[Symbol.dispose]();
  assert.deepEqual(lines, ["3 of 40\n"]);
});
