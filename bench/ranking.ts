// What a policy's own work costs a decode step, alone: watching, ranking, and cuts as often as they fall due.
import { DEAD_NONE, type Pass } from "../src/device/device.ts";
import { widthOf } from "../src/device/fields.ts";
import type { Runner } from "../src/engine/runner.ts";
import { keep, rank } from "../src/model/paged.ts";
import { median } from "./median.ts";

/** Seconds that a policy's own work takes. */
export interface Work {
  /** Of every step: watching, and choosing where one key leaves a token. */
  each: number;
  /** Of a step in which a batch of keys is ranked, over the steps between two of them. */
  amortised: number;
}

/** What these sets' policy takes to watch, rank and choose over them. */
export async function ranking(runner: Runner, sets: readonly number[], position: number): Promise<Work> {
  const { device, table } = runner;
  const { config, weights } = runner.model;
  const { layers, ends } = runner.activations;
  const { cut, labels, reads } = runner.sets.of(sets[0]).policy;
  if (!cut?.decode && !reads?.pages && !labels) return { each: 0, amortised: 0 };
  const rows = sets.length;
  const runs = { list: device.i32(rows * widthOf("run")), first: 0, count: rows };
  for (const [i, set] of sets.entries()) runs.list.host.set([set, i, 1, position], i * widthOf("run"));
  const lanes = table.device;
  const time = async (record: (pass: Pass, layer: number) => void) => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const dead = lanes.dead.host.slice();
      lanes.dead.host.fill(DEAD_NONE);
      for (const set of sets) table.changed(set);
      table.flush();
      const pass = device.begin();
      for (let layer = 0; layer < config.layers; layer++) record(pass, layer);
      const started = performance.now();
      await device.run(pass);
      times.push((performance.now() - started) / 1000);
      lanes.dead.host.set(dead);
      for (const set of sets) table.changed(set);
    }
    return median(times);
  };
  const watch = (pass: Pass, layer: number) => {
    const { x, normed, q, z, probed } = layers[layer];
    const { alpha, probe } = weights.layers[layer];
    if (labels?.source === "probe" && probe)
      pass.matmul({ out: probed, x: normed, w: probe.out, rows, bias: null, add: false });
    if ((labels?.source === "dms" || cut?.watch.gates) && alpha) {
      pass.norm({ out: normed, x, weight: alpha.norm, rows, dim: config.hidden, eps: config.normEps });
      pass.matmul({ out: z, x: normed, w: alpha.proj, rows, bias: null, add: false });
    }
    if (cut?.watch.gates) pass.noteGates({ z, shift: 0, lanes, layer, runs });
    if (cut && cut.watch.queries > 0) pass.observe({ q, lanes, layer, runs });
    if (reads?.pages) pass.bound({ lanes, layer, runs });
  };
  let each = await time(watch);
  if (!cut?.decode) return { each, amortised: 0 };
  // Attention scores keys on its way: what it takes longer for that.
  const attend = (rank: typeof cut.watch.row) =>
    time((pass, layer) => {
      const { mixed: out, q } = layers[layer];
      pass.attend({ out, q, archiveQuery: null, lanes, layer, steps: runs, pages: false, rank });
    });
  if (cut.watch.row !== "none") each += Math.max(0, (await attend(cut.watch.row)) - (await attend("none")));
  const budget = lanes.budget.host.slice();
  // One key less than a lane holds makes a cut due.
  const tighten = (keys: (lane: number) => number) => {
    for (const set of sets)
      for (let lane = set * table.width; lane < (set + 1) * table.width; lane++)
        lanes.budget.host[lane] = Math.max(1, keys(lane) - 1);
  };
  const { every, score } = cut.decode;
  tighten((lane) => table.live(lane));
  const eager = { ...cut, rule: { ...cut.rule, slack: 1 } };
  const whole = score.length
    ? await time((pass, layer) => rank(pass, lanes, layer, runs, eager, score, ends.frequencies))
    : 0;
  // Choosing one victim per token can be undone, and falls into every step; cuts that
  // close gaps fall into none that is timed.
  tighten((lane) => lanes.archive.host[lane] + 1);
  if (cut.rule.replace && every === 1) each += await time((pass, layer) => keep(pass, lanes, layer, 1, runs, cut));
  lanes.budget.host.set(budget);
  return { each, amortised: whole / Math.max(every, cut.rule.slack) };
}
