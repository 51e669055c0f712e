import assert from "node:assert/strict";
import { test } from "node:test";
import { duration } from "../../src/base/duration.ts";
import { openTrainingProgress, type TrainingStep } from "../../src/cli/training-progress.ts";

/** A progress that writes into a list, by a clock of the test's own. */
function open(terminal: { isTTY: boolean; columns?: number }) {
  const written: string[] = [];
  let now = 0;
  const stream = { ...terminal, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  const progress = openTrainingProgress(stream, () => now, terminal.isTTY);
  const step = (seconds: number, own: Partial<TrainingStep> & { step: number }) => {
    now += 1000 * seconds;
    progress.show({ steps: 100, tokens: 512, loss: 1.23456, targetCr: 2, cr: 1.987, ...own });
  };
  return { progress, step, written };
}

test("without a terminal: a line at ten seconds, at evaluations and at the end", () => {
  const { progress, step, written } = open({ isTTY: false });
  for (let i = 1; i <= 9; i++) step(1, { step: i });
  assert.deepEqual(written, []);
  step(1, { step: 10 });
  assert.deepEqual(written, ["step 10/100  loss 1.235  nominal 1.99 of 2.00  512 tokens/s  2 min left\n"]);
  step(1, { step: 11, heldOut: 0.012345, heldOutCr: 1.5 });
  step(1, { step: 12 });
  step(9, { step: 13, cr: null, targetCr: null });
  progress.say("checkpoint kept");
  step(1, { step: 100, loss: Number.NaN });
  assert.deepEqual(written.slice(1), [
    "step 11/100  loss 1.235  held out 0.0123  CR 1.50  nominal 1.99 of 2.00  512 tokens/s  1 min left\n",
    "step 13/100  loss 1.235  held out 0.0123  CR 1.50  317 tokens/s  2 min left\n",
    "checkpoint kept\n",
    "step 100/100  loss NaN  held out 0.0123  CR 1.50  nominal 1.99 of 2.00  326 tokens/s\n",
  ]);
  progress.done();
  assert.equal(written.length, 5);
});

test("speed is that of the last steps, and of a resumed run's own", () => {
  const { step, written } = open({ isTTY: false });
  step(2, { step: 51, heldOut: 1 });
  assert.match(written[0], / {2}256 tokens\/s {2}2 min left/);
  for (let i = 52; i <= 90; i++) step(0.1, { step: i });
  step(0.1, { step: 91, heldOut: 1 });
  assert.match(written.at(-1)!, / {2}5,120 tokens\/s {2}1 s left/);
});

test("on a terminal: one line, redrawn, never wider than it, twelve times a second at most", () => {
  const { progress, step, written } = open({ isTTY: true, columns: 30 });
  step(1, { step: 1 });
  assert.deepEqual(written, ["\rstep 1/100  loss 1.235  nomin\x1b[K"]);
  for (let i = 2; i <= 21; i++) step(0.01, { step: i });
  assert.equal(written.length, 3);
  step(0.01, { step: 22, heldOut: 1 });
  assert.match(written.at(-1)!, /^\rstep 22\//);
  progress.say("checkpoint kept");
  assert.ok(written.at(-1)!.startsWith("\r\x1b[Kcheckpoint kept\nstep 22/100"));
  progress.done();
  progress.done();
  assert.deepEqual(written.slice(-1), ["\n"]);
  assert.equal(written.length, 6);
});

test("durations", () =>
  assert.deepEqual([0, 59.4, 59.6, 3569, 3570, 7260, 360_000].map(duration), [
    "0 s",
    "59 s",
    "1 min",
    "59 min",
    "1 h 0 min",
    "2 h 1 min",
    "100 h 0 min",
  ]));
