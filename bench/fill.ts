// Random keys and values in a set of lanes, as a prompt under a policy would leave them: what a bench times depends on
// where keys lie, not on what they say, and a real prefill of 32k tokens takes many minutes here.
import { seeded } from "../src/base/rng.ts";
import { widthOf } from "../src/device/fields.ts";
import type { Runner } from "../src/engine/runner.ts";
import { rank } from "../src/model/paged.ts";
import { tokensOf } from "../src/policy/protect.ts";

/** Keys per lane that one pass stores. */
export const FILL = 512;
const RUN = widthOf("run");

/**
 * A function that fills an open set with `length` keys per lane under its policy, and what that watches, as far as a
 * cut needs it.
 */
export function filler(runner: Runner): (set: number, length: number) => Promise<void> {
  const { device, table, sets, activations } = runner;
  const { layers, kvHeads, queryHeads, headDim, dms } = runner.model.config;
  const random = seeded(3);
  // Each layer's keys, values, queries and gates are `FILL` rows from anywhere in the first half on.
  const noise = device.hidden(2 * FILL * queryHeads * headDim);
  const written = device.write(
    noise,
    0,
    Float32Array.from({ length: noise.length }, () => random.gaussian()),
  );
  const z = device.f32(2 * FILL * kvHeads);
  const list = device.i32((layers + 1) * RUN);
  const [q, k, v] = [noise, noise, noise];
  const lanes = table.device;
  return async (set, length) => {
    await written;
    const { cut, labels, reads } = sets.of(set).policy;
    const kept = labels ? tokensOf(labels.protect, length) : 0;
    list.host.set([set, 0, 1, length - 1], layers * RUN);
    const newest = { list, first: layers, count: 1 };
    for (let at = 0, rows = 0; at < length; at += rows) {
      rows = Math.min(FILL, (at < kept ? kept : length) - at);
      for (let i = 0; i < z.length; i++)
        z.host[i] = labels?.source === "all" ? 1 : random.gaussian() - (dms?.offset ?? 0);
      z.wrote(0, z.length);
      for (let layer = 0; layer < layers; layer++) list.host.set([set, random.below(FILL), rows, at], layer * RUN);
      sets.ready({ set, kind: "chunk", ids: [], from: at, count: rows, logits: "none" });
      table.reserve(set, rows, "chunk");
      table.flush();
      const pass = device.begin();
      for (let layer = 0; layer < layers; layer++) {
        const runs = { list, first: layer, count: 1 };
        const moments = at === 0 && cut?.watch.moments;
        if (moments) pass.addMoments({ q, lanes, layer, chunks: runs, skip: moments.skip });
        pass.admit({ k, v, z: labels && at >= kept ? z : null, lanes, layer, runs });
        if (cut && cut.watch.queries > 0) pass.observe({ q, lanes, layer, runs });
        if (reads?.pages) pass.bound({ lanes, layer, runs });
        // Sums of attention over the prompt cost as much as reading it: random ones here.
        if (cut?.watch.sums && at + rows === length)
          rank(pass, lanes, layer, newest, cut, [{ kind: "random", seed: 1 }], activations.ends.frequencies);
      }
      await device.run(pass);
      table.commit(set);
    }
  };
}
