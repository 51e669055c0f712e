// Random keys and values in a set of lanes, as a prompt under a policy would leave them: what a bench times depends on where keys
// lie, not on what they say, and a real prefill of 32k tokens takes many minutes here.
import { seeded } from "../src/base/rng.ts";
import { CHUNK, STEP } from "../src/device/device.ts";
import type { Runner } from "../src/engine/runner.ts";

/** Keys a lane that one pass stores. */
export const FILL = 512;

/** Fills an open set with `length` keys a lane under the runner's policy, and what it watches, as far as a cut needs that. */
export async function fill(runner: Runner, set: number, length: number, seed = 3): Promise<void> {
  const { device, table, policy, workspace: w } = runner;
  const { config, weights } = runner.model;
  const side = runner.sides.of(policy);
  const random = seeded(seed);
  const tokens = device.i32(FILL);
  const z = device.f32(FILL * config.kvHeads);
  const chunk = { list: device.i32(CHUNK), first: 0, count: 1 };
  const { labels } = policy;
  const all = labels?.source === "all";
  const spare = typeof labels?.spare === "number" ? labels.spare : length;
  for (let at = 0; at < length; at += FILL) {
    const rows = Math.min(FILL, length - at);
    for (let i = 0; i < rows; i++) tokens.host[i] = random.below(config.vocabulary);
    for (let i = 0; i < z.length; i++) {
      const free = at + Math.floor(i / config.kvHeads) >= spare;
      const gate = all ? 1 : random.gaussian() - (config.dms?.offset ?? 0);
      z.host[i] = free ? gate : -1e30;
    }
    chunk.list.host.set([set, 0, rows, at]);
    table.reserve(set, rows, "chunk");
    const given = labels && { z, threshold: labels.threshold, window: labels.window, shift: 0 as const };
    const pass = device.begin();
    pass.embed(w.x, weights.embed, tokens, rows);
    for (const [layer, { q, k, v }] of weights.layers.entries()) {
      // Ranks look at keys; where nothing ranks, those of the first pass serve for all, as products take most of the time.
      if (policy.cut || (at === 0 && layer === 0)) {
        pass.matmul(w.k, w.x, k, rows, null, false);
        pass.matmul(w.v, w.x, v, rows, null, false);
      }
      pass.admitChunk(w.k, w.v, table.device, layer, chunk, given);
      const last = at + rows === length;
      if (last || at === 0) {
        pass.matmul(w.q, w.x, q, rows, null, false);
        if (side.ring) pass.remember(side.ring, w.q, table.device, layer, chunk, true);
        if (side.moments && at === 0) pass.gather(side.moments, w.q, table.device, layer, chunk);
      }
      if (side.bounds) pass.bound(side.bounds, table.device, layer, chunk, true);
    }
    await device.run(pass);
    table.commit(set);
  }
  if (!side.board || !policy.cut?.watch.sums) return;
  // Sums of attention over the prompt cost as much as reading it: random ones here.
  const item = { list: device.i32(STEP), first: 0, count: 1 };
  item.list.host.set([set, 0, length - 1]);
  const pass = device.begin();
  for (let layer = 0; layer < config.layers; layer++)
    pass.score(side.board, side.ring, table.device, layer, item, policy.cut.rule, { kind: "random", seed: 1 });
  await device.run(pass);
}
