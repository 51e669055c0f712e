// Kept sets at every step against references that share nothing with the policies, and
// attention over them against dense attention.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seeded } from "../../src/base/rng.ts";
import { recipes } from "../../src/policy/index.ts";
import { type Candidate, devices } from "../device/devices.ts";
import { near } from "../support/compare.ts";
import { type Case, cases, settle } from "./cases.ts";
import { group, type Kept, probabilities, range, type Trace } from "./dense/trace.ts";
import { type Chain, type LayerLife, PolicyRig, replays, type Setup } from "./rig.ts";

/** What the newest token of an event should see, by KV head; null where no set says. */
function seenAt(x: Trace, kept: Kept, event: number, { sees, prompt }: Case): number[][] | null {
  if (event > 0) return sees === "after" ? kept[event] : kept[event - 1].map((keys) => [...keys, x.prompt - 1 + event]);
  if (prompt === "unknown") return null;
  return prompt === "after" ? kept[0] : kept[0].map(() => range(0, x.prompt));
}

/** Attention of the newest token of each event over exactly the positions it should see: all others weigh nothing. */
function checkOutput({ trace: x, out }: LayerLife, kept: Kept, one: Case, what: string): void {
  const D = x.headDim;
  const { weights = probabilities, tolerance = 2e-5 } = one;
  for (let event = 0; event < kept.length; event++) {
    const seen = seenAt(x, kept, event, one);
    for (const [h, positions] of seen?.entries() ?? []) {
      for (const j of group(x, h)) {
        const p = weights(x, j, x.prompt - 1 + event, positions);
        const dense = new Float64Array(D);
        for (const [n, i] of positions.entries()) for (let d = 0; d < D; d++) dense[d] += p[n] * x.v[i][h][d];
        near(out[event].subarray(j * D, (j + 1) * D), dense, `${what}, event ${event}, head ${j}: attention`, {
          relative: 0,
          absolute: tolerance,
        });
      }
    }
  }
}

/** Kept sets, and how many keys each decoding query read. */
function checkKept({ trace: x, kept: got, reads }: LayerLife, kept: Kept, one: Case, what: string): void {
  for (const [event, heads] of kept.entries())
    for (const [h, positions] of heads.entries()) {
      const where = `${what}, event ${event}, head ${h}`;
      const live = one.reads ? range(0, x.prompt + event) : positions;
      assert.deepEqual(got[event][h], live, where);
      if (event === 0) continue;
      const bounds = one.reads && live.length > positions.length ? 2 * Math.ceil(live.length / 16) : 0;
      assert.equal(reads[event][h], seenAt(x, kept, event, one)![h].length + bounds, `${where}: reads`);
    }
}

const wholeTrace = (trace: Trace): Trace => ({ ...trace, length: trace.q.length });

/**
 * Every layer of a chain against its reference. Returns how many sets were ragged, and how many positions were dropped.
 */
function check(chain: Chain, one: Case, chunk: number, again: Trace[][], what: string): [ragged: number, gone: number] {
  let ragged = 0;
  let gone = 0;
  const traces = chain.layers.map(({ trace }) => trace);
  for (const [layer, life] of chain.layers.entries()) {
    const place = { layer, layers: traces.length, traces, chunk, replays: again };
    const kept = one.dense(wholeTrace(life.trace), place);
    checkKept(life, kept, one, `${what}, layer ${layer}`);
    checkOutput(life, kept, one, `${what}, layer ${layer}`);
    for (const [event, heads] of kept.entries()) {
      if (heads[0].length !== heads[1].length) ragged++;
      for (const keys of heads) gone += life.trace.prompt + event - keys.length;
    }
  }
  return [ragged, gone];
}

const repeated = async ({ open }: Candidate, setup: Setup, { ids }: Chain, { replay }: Case): Promise<Trace[][]> =>
  replay === undefined ? [] : replays(open, setup, ids, replay);

test("every policy has a case", () => {
  for (const { name } of recipes)
    assert.ok(
      cases.some((one) => one.policy === name),
      name,
    );
});

for (const candidate of devices)
  describe(candidate.name, () => {
    for (const one of cases) {
      const { layers } = one;
      test(`${one.name}: kept sets and attention, prompts long and short, in one shot and by chunks`, async () => {
        const rng = seeded(7);
        let [ragged, gone] = [0, 0];
        for (let seed = 1; seed <= 6; seed++) {
          const prompt = [40, 71, 3, 16, 55, 100][seed - 1];
          const length = prompt + 20 + rng.below(20);
          let again: Trace[][] | undefined;
          for (const chunk of [prompt, 1 + rng.below(30)]) {
            const device = candidate.open();
            const setup = { seed, prompt, length, chunk, layers, policy: settle(one) };
            const rig = new PolicyRig(device, setup);
            const chain = rig.start();
            await rig.finish(chain);
            device.close();
            again ??= await repeated(candidate, setup, chain, one);
            const found = check(chain, one, chunk, again, `seed ${seed}, prompt ${prompt}, chunks of ${chunk}`);
            ragged += found[0];
            gone += found[1];
          }
        }
        assert.ok(!one.ragged || ragged > 0, "no layer was ragged");
        assert.ok(one.policy === "full" || gone > 100, `only ${gone} keys were dropped`);
      });

      test(`${one.name}: forks after the prompt and while decoding go their own ways`, async () => {
        const device = candidate.open();
        const [prompt, length, chunk] = [45, 75, 19];
        const setup = { seed: 3, prompt, length, chunk, layers, policy: settle(one) };
        const rig = new PolicyRig(device, setup);
        const chains = [rig.start()];
        while (chains[0].fed < prompt) await rig.feed(chains);
        const again = await repeated(candidate, setup, chains[0], one);
        chains.push(rig.fork(chains[0], 50));
        for (let t = prompt; t < length; t++) {
          await rig.feed(chains);
          if (t === prompt + 9) chains.push(rig.fork(chains[1], 51));
        }
        for (const [i, chain] of chains.entries()) check(chain, one, chunk, again, `chain ${i}`);
        for (const { set } of chains) rig.runner.sets.close(set);
        rig.runner.table.check();
        assert.equal(rig.runner.table.pool.used, 0, "pages left when all chains are closed");
        device.close();
      });
    }
  });
