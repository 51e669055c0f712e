// Kept sets at every step against references that share nothing with the policies, and attention over them against dense attention.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { devices } from "../device/devices.ts";
import { type Case, cases } from "./cases.ts";
import { group, type Kept, probabilities, type Trace } from "./dense/trace.ts";
import { type Life, PolicyRig, policyOf, run } from "./rig.ts";

/** Attention of the newest token of each event over exactly the positions it should see: all others weigh nothing. */
function checkOutput(life: Life, kept: Kept, { sees }: Case, what: string, tolerance: number): void {
  const { trace: x } = life;
  const D = x.headDim;
  for (let event = 1; event < kept.length; event++) {
    const now = x.prompt - 1 + event;
    for (let h = 0; h < x.kvHeads; h++) {
      const seen = sees === "after" ? kept[event][h] : [...kept[event - 1][h], now];
      for (const j of group(x, h)) {
        const p = probabilities(x, j, now, seen);
        for (let d = 0; d < D; d++) {
          const dense = seen.reduce((sum, i, n) => sum + p[n] * x.v[i][h][d], 0);
          const off = Math.abs(dense - life.out[event][j * D + d]);
          assert.ok(off <= tolerance, `${what}, event ${event}, head ${j}: attention is off by ${off}`);
        }
      }
    }
  }
}

function checkKept(life: Life, expected: Kept, one: Case, what: string): void {
  for (const [event, heads] of expected.entries())
    for (const [h, positions] of heads.entries()) {
      const where = `${what}, event ${event}, head ${h}`;
      if (!one.reads) assert.deepEqual(life.kept[event][h], positions, where);
      else if (event > 0) {
        const live = life.kept[event][h].length;
        const bounds = live > positions.length ? 2 * Math.ceil(live / 16) : 0;
        assert.equal(life.reads[event][h], positions.length + bounds, `${where}: reads`);
      }
    }
}

// Quest reads its first two layers whole; a model of one layer tests it where `from` is 0.
const settle = (one: Case): ReturnType<typeof policyOf> => {
  const make = policyOf(one.policy, one.options);
  if (!one.reads || typeof make !== "function") return make;
  return (model) => {
    const policy = make(model);
    return { ...policy, reads: { ...policy.reads!, pages: { ...policy.reads!.pages!, from: 0 } } };
  };
};

const wholeTrace = (trace: Trace): Trace => ({ ...trace, length: trace.q.length });

for (const candidate of devices)
  describe(candidate.name, () => {
    for (const one of cases) {
      test(`${one.name}: kept sets and attention, prompts long and short, in one shot and by chunks`, async () => {
        const rng = seeded(7);
        for (let seed = 1; seed <= 6; seed++) {
          const prompt = [40, 71, 3, 16, 55, 100][seed - 1];
          const length = prompt + 20 + rng.below(20);
          for (const chunk of one.byChunk ? [prompt] : [prompt, 1 + rng.below(30)]) {
            const device = candidate.open();
            const life = await run(device, { seed, prompt, length, chunk, policy: settle(one) });
            device.close();
            const expected = one.dense(life.trace);
            const what = `seed ${seed}, prompt ${prompt}, chunks of ${chunk}`;
            checkKept(life, expected, one, what);
            checkOutput(life, expected, one, what, 2e-5);
          }
        }
      });

      test(`${one.name}: forks after the prompt and while decoding go their own ways`, async () => {
        const device = candidate.open();
        const [prompt, length] = [45, 75];
        const rig = new PolicyRig(device, { seed: 3, prompt, length, chunk: prompt, policy: settle(one) });
        const chains = [rig.start()];
        await rig.feed(chains);
        chains.push(rig.fork(chains[0], 50));
        for (let t = prompt; t < length; t++) {
          await rig.feed(chains);
          if (t === prompt + 9) chains.push(rig.fork(chains[1], 51));
        }
        for (const [i, { life }] of chains.entries()) {
          const expected = one.dense(wholeTrace(life.trace));
          checkKept(life, expected, one, `chain ${i}`);
          checkOutput(life, expected, one, `chain ${i}`, 2e-5);
        }
        for (const { set } of chains) rig.runner.table.close(set);
        rig.runner.table.check();
        assert.equal(rig.runner.table.pool.used, 0, "pages left when all chains are closed");
        device.close();
      });
    }
  });
