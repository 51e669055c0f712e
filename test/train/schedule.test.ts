import assert from "node:assert/strict";
import { test } from "node:test";
import { rateAt, type Schedule } from "../../src/train/schedule.ts";
import { checkSettings, TRAIN_SETTINGS, type TrainSettings } from "../../src/train/settings.ts";

const at = (shape: Schedule["shape"], step: number) => rateAt(step, { steps: 110, warmup: 10, shape, last: 0.01 });
const near = (actual: number, expected: number) => assert.ok(Math.abs(actual - expected) < 1e-12, `${actual}`);

test("rates rise evenly to their peak, and fall to the last share at the last step", () => {
  for (const shape of ["constant", "linear", "cosine", "exponential"] as const) {
    near(at(shape, 1), 1 / 11);
    near(at(shape, 10), 10 / 11);
    near(at(shape, 110), shape === "constant" ? 1 : 0.01);
  }
  near(at("linear", 60), 0.505);
  near(at("cosine", 60), 0.505);
  near(at("exponential", 60), 0.1);
  near(at("exponential", 35) / at("exponential", 60), at("exponential", 60) / at("exponential", 85));
});

test("an exponential schedule that should end at nothing is refused", () => {
  const schedule: TrainSettings["schedule"] = { ...TRAIN_SETTINGS.schedule, shape: "exponential", last: 0 };
  assert.throws(() => checkSettings({ ...TRAIN_SETTINGS, schedule }, 4096), /expected a share above 0/);
});
