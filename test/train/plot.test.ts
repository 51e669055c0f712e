import assert from "node:assert/strict";
import { test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import type { JournalEntry } from "../../src/train/disk/journal.ts";
import { trainingPlot } from "../../src/train/plot.ts";

const run = (steps: number, loss: (step: number) => number): JournalEntry[] =>
  Array.from({ length: steps }, (_, i) => ({
    step: i + 1,
    loss: loss(i + 1),
    learningRate: 1e-3,
    targetCr: 2,
    cr: 1.5,
    ...(i % 10 ? {} : { heldOut: loss(i + 1), heldOutCr: 1.4 }),
  }));
/** Points of the longest line. */
const mostPoints = (svg: string) =>
  Math.max(...[...svg.matchAll(/ d="(M[^"]*)"/g)].map(([, path]) => path.split(/[ML]/).length - 1));
const words = (svg: string) => [...svg.matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text);

test("has a panel for what a journal has, and none for what it has not", async () => {
  const svg = await trainingPlot(
    run(50, (step) => 1 + 1 / step),
    "a run",
  );
  assert.ok(svg.startsWith("<svg") && svg.endsWith("</svg>"));
  const all = words(svg);
  for (const word of ["a run", "loss", "training", "held out", "target, nominal", "achieved, held out", "step"])
    assert.ok(all.includes(word), `${word} in ${all}`);
  assert.equal(all.filter((word) => word === "learning rate").length, 1);
  const plain = words(
    await trainingPlot(
      [
        { step: 1, loss: 2 },
        { step: 2, loss: 1, cr: null },
      ],
      "a run",
    ),
  );
  for (const word of ["training", "achieved, held out", "learning rate"]) assert.ok(!plain.includes(word), word);
});

test("many steps are shown as means, at most 500 points a line", async () => {
  const svg = await trainingPlot(
    run(20_001, (step) => 2 + (step % 2)),
    "a run",
  );
  assert.ok(mostPoints(svg) > 400 && mostPoints(svg) <= 500, String(mostPoints(svg)));
  assert.equal(mostPoints(await trainingPlot(run(50, Math.sqrt), "a run")), 50);
});

test("a loss that falls far is on a logarithmic axis; one that reaches zero is not", async () => {
  const ticks = async (loss: (step: number) => number) => words(await trainingPlot(run(60, loss), "a run"));
  assert.ok((await ticks((step) => 10 ** (-step / 20))).includes("0.01"));
  assert.ok(!(await ticks((step) => (step === 9 ? 0 : 10 ** (-step / 20)))).includes("0.01"));
});

test("numbers that are none are left out; a journal without any has no plot", async () => {
  const entries = [
    { step: 1, loss: 2 },
    { step: 2, loss: Number.NaN },
    { step: 3, loss: null as never },
    { step: 4, loss: 1 },
  ];
  const svg = await trainingPlot(entries, "a run");
  assert.doesNotMatch(svg, /NaN/);
  assert.equal(mostPoints(svg), 2);
  for (const none of [[], [{ step: 0 }]])
    await assert.rejects(
      trainingPlot(none, "a run"),
      (error: unknown) =>
        error instanceof HyperthinkError && error.code === "bad-argument" && /nothing to plot/.test(error.message),
    );
});
