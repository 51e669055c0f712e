// Rows whose logits are too many for one block: each gets what it gets alone.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import type { Hidden } from "../../src/device/device.ts";
import { linearBack } from "../../src/train/linear.ts";
import { type Loss, LossRows } from "../../src/train/lossRows.ts";
import type { Parameter } from "../../src/train/parameters.ts";
import { devices, gaussians } from "../device/devices.ts";
import { bits } from "../support/compare.ts";

const [rows, hidden, vocabulary] = [40, 3, 600_000]; // blocks of 16 rows

for (const candidate of devices.slice(1))
  describe(`on ${candidate.name}`, () => {
    for (const loss of [{ kind: "next" }, { kind: "distill", direction: "reverse" }] satisfies Loss[])
      test(`${loss.kind}: losses and gradients do not depend on the block`, async () => {
        const device = candidate.open();
        const random = seeded(1);
        const buffer = async (values: Float32Array) => {
          const made = device.hidden(values.length);
          await device.write(made, 0, values);
          return made;
        };
        const head: Parameter = {
          ...{ name: "lm_head.weight", shape: [vocabulary, hidden], rows: vocabulary, cols: hidden, exact: false },
          ...{ value: await buffer(gaussians(random, vocabulary * hidden)), gradient: null, low: null },
        };
        const final = gaussians(random, rows * hidden);
        const model = {
          ...{ final: await buffer(final), taught: await buffer(gaussians(random, rows * hidden)) },
          ...{ head, teacher: head },
        };
        const weights = Float32Array.from({ length: rows }, (_, r) => (r % 5 === 2 ? 0 : 0.1 + r));
        const targets = Int32Array.from({ length: rows }, () => random.below(vocabulary));
        const losses = new LossRows(device, vocabulary, hidden, rows);
        const low = device.hidden(rows);

        async function record(chosen: Float32Array): Promise<{ sum: number; gradient: Float32Array }> {
          const dfinal: Hidden = await buffer(new Float32Array(rows * hidden));
          losses.choose(chosen, targets);
          const pass = device.begin();
          losses.record(pass, loss, model, dfinal, { bf16: false }, (dout, x, dx, many) =>
            linearBack(pass, head, null, { dout, x, dx, add: false, rows: many, low }, { bf16: false }),
          );
          await device.run(pass);
          const gradient = new Float32Array(rows * hidden);
          await device.read(dfinal, 0, gradient);
          return { sum: await losses.sum(), gradient };
        }

        const all = await record(weights);
        let sum = 0;
        for (let r = 0; r < rows; r++) {
          const alone = await record(weights.map((weight, i) => (i === r ? weight : 0)));
          const part = ({ gradient }: typeof alone) => gradient.subarray(r * hidden, (r + 1) * hidden);
          assert.deepEqual(bits(part(alone)), bits(part(all)), `row ${r}`);
          assert.equal(
            part(all).some((x) => x !== 0),
            weights[r] !== 0,
          );
          sum += alone.sum;
        }
        assert.ok(sum > 0 && Math.abs(sum - all.sum) < 1e-9 * sum, `${all.sum}, one by one ${sum}`);
        device.close();
      });
  });
