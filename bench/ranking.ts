// What a policy's own work costs a decode step, alone: watching, ranking, and cuts as often as they fall due.
import { STEP } from "../src/device/device.ts";
import type { Runner } from "../src/engine/runner.ts";
import { median } from "./median.ts";

/** Seconds that a policy's own work takes. */
export interface Work {
  /** Of every step: watching, and choosing where one key leaves a token. */
  each: number;
  /** Of a step in which a batch of keys is ranked, over the steps between two of them. */
  amortised: number;
}

/** What the runner's policy takes to watch, rank and choose over these sets. */
export async function ranking(runner: Runner, sets: readonly number[], position: number): Promise<Work> {
  const { device, policy, workspace: w } = runner;
  const { config, weights } = runner.model;
  const side = runner.sides.of(policy);
  const { cut } = policy;
  if (!cut?.decode && !side.bounds && !policy.labels) return { each: 0, amortised: 0 };
  const items = { list: device.i32(sets.length * STEP), first: 0, count: sets.length };
  sets.forEach((set, i) => {
    items.list.host.set([set, i, position], i * STEP);
  });
  const lanes = runner.table.device;
  const watch = () => {
    const pass = device.begin();
    for (const [layer, { alpha, probe }] of weights.layers.entries()) {
      if (policy.labels?.source === "probe" && probe)
        pass.matmul(w.z[layer], w.normed, probe.out, sets.length, null, false);
      if ((policy.labels?.source === "dms" || cut?.watch.gates) && alpha) {
        pass.norm(w.normed, w.x, alpha.norm, sets.length, config.hidden, config.normEps);
        pass.matmul(w.z[layer], w.normed, alpha.proj, sets.length, null, false);
      }
      if (side.board && cut?.watch.gates) pass.note(side.board, w.z[layer], 0, lanes, layer, items, false);
      if (side.ring) pass.remember(side.ring, w.q, lanes, layer, items, false);
      if (side.bounds) pass.bound(side.bounds, lanes, layer, items, false);
      if (side.scores && side.board)
        pass.weigh(side.board, side.scores, lanes, layer, items, cut?.watch.row === "group");
    }
    return pass;
  };
  const score = () => {
    const pass = device.begin();
    for (let layer = 0; layer < config.layers; layer++)
      for (const scorer of cut?.decode?.score ?? [])
        if (scorer.kind !== "expected" && side.board)
          pass.score(side.board, side.ring, lanes, layer, items, { ...cut!.rule, slack: 1 }, scorer);
    return pass;
  };
  const choose = () => {
    const pass = device.begin();
    for (let layer = 0; layer < config.layers; layer++)
      if (side.board) pass.keep(side.board, lanes, layer, 1, items, cut!.rule);
    return pass;
  };
  const time = async (record: typeof watch) => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const dead = lanes.dead.host.slice();
      lanes.dead.host.fill(-1);
      const pass = record();
      const started = performance.now();
      await device.run(pass);
      times.push((performance.now() - started) / 1000);
      lanes.dead.host.set(dead);
    }
    return median(times);
  };
  const each = await time(watch);
  if (!cut?.decode) return { each, amortised: 0 };
  const budget = lanes.budget.host.slice();
  // One key less than a lane holds makes a cut due.
  const tighten = (keys: (lane: number) => number) => {
    for (const set of sets)
      for (let lane = set * runner.table.width; lane < (set + 1) * runner.table.width; lane++)
        lanes.budget.host[lane] = Math.max(1, keys(lane) - 1);
  };
  tighten((lane) => runner.table.live(lane));
  const whole = cut.decode.score.length ? await time(score) : 0;
  // Choosing one victim a token can be undone, and falls into every step; cuts that close gaps fall into none that is timed.
  tighten((lane) => lanes.archive.host[lane] + 1);
  const victims = cut.rule.replace && cut.decode.every === 1 ? await time(choose) : 0;
  lanes.budget.host.set(budget);
  return { each: each + victims, amortised: whole / Math.max(cut.decode.every, cut.rule.slack) };
}
