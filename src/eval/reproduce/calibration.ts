// Brings policies to the compression ratio that a retrofit achieves, on other problems than those that are reported.

import { join } from "node:path";
import { mean } from "../../base/mean.ts";
import { readRecord } from "../report/read.ts";
import { calibrate, type Knob, Search } from "./calibrate.ts";
import {
  EVICTION,
  gatedModel,
  groupName,
  longest,
  plainName,
  RATIO,
  RATIOS,
  ratiosOf,
  references,
  type Shape,
  setting,
} from "./plan.ts";
import { policyAt, type Rival, rivalsOf, threshold } from "./rivals.ts";
import type { Runner } from "./runner.ts";
import type { CalibratedGroup, Measured } from "./state.ts";

/** Many problems and one chain each: lengths differ more between problems than within one. */
const MOST_PROBLEMS = 64;
const WIDTH = 1;
/** Of the calibration's problems, from the reported ones' seed. */
const OTHER = 7919;

export const calibrationProblems = (problems: number): number => Math.min(MOST_PROBLEMS, problems);
export const calibrationSeed = (seed: number): number => seed + OTHER;

/** What is known of all models and rivals that a reproduction needs; what was found before is not run again. */
export async function calibrateAll(
  runner: Runner,
  shape: Shape,
  seed: number,
  say: (what: string) => void = () => {},
): Promise<void> {
  const small: Shape = { ...shape, width: WIDTH, problems: runner.state.of.calibration };
  const desk: Desk = { runner, shape: small, seed: calibrationSeed(seed), say };
  for (const { name, settings } of references(small, ratiosOf(small))) {
    if (runner.state.measured[name]) continue;
    say(`measuring ${name}`);
    const folder = join("calibration", name);
    const rows = await runner.run(folder, settings, { problems: small.problems, seed: desk.seed });
    const { chains } = await readRecord(join(runner.out, folder));
    const [all] = [...chains.values()].flatMap((of) => [...of.values()]);
    const tokens = all.map((chain) => chain.tokens);
    const drawn = tokens.reduce((sum, n) => sum + n, 0);
    const live = all.reduce((sum, { reads }) => sum + reads, 0) / Math.max(1, drawn);
    runner.state.measured[name] = { cr: rows[0].cr, live, tokens };
    await runner.save();
  }
  const { only, full, immediate } = shape;
  if (only.includes("eviction")) await group(desk, "eviction", evictionRivals(immediate), RATIO);
  for (const ratio of RATIOS)
    if (full || (ratio === RATIO && only.includes("methods")))
      await group(desk, groupName(ratio), rivalsOf(longest(shape), measuredOf(runner, ratio).live), ratio);
}

interface Desk {
  runner: Runner;
  shape: Shape;
  seed: number;
  say: (what: string) => void;
}

/** A rival with the model that it has its gates from, if not the retrofit of the ratio. */
type Placed = Rival & { folder?: string };

const evictionRivals = (immediate: string | null): Placed[] => {
  const moved = { gated: true, knob: threshold, note: "" };
  return [
    { ...moved, name: EVICTION.windowEqual, policy: "dms:window=0" },
    ...(immediate === null ? [] : [{ ...moved, name: EVICTION.immediateEqual, policy: "dms", folder: immediate }]),
  ];
};

const measuredOf = ({ state }: Runner, ratio: number): Measured => state.measured[`dms-${ratio}x`];

/** All of a group side by side, round by round. Names that a group has from before stay as they were found. */
async function group(desk: Desk, name: string, rivals: readonly Placed[], ratio: number): Promise<void> {
  const { runner, shape, seed, say } = desk;
  const target = measuredOf(runner, ratio).cr;
  const before = runner.state.groups[name] ?? { target, found: {}, failed: {} };
  const left = rivals.filter((rival) => !before.found[rival.name] && !before.failed[rival.name]);
  if (left.length === 0) return;
  const placed = new Map(left.map((rival) => [rival.name, rival]));
  const searches = new Map(left.map(({ name: each, knob }) => [each, new Search(knob, Math.max(target, LEAST))]));
  const tokens = new Map<string, number>(); // of a chain, by policy's name and value
  await calibrate(searches, async (wanted, round) => {
    say(`calibrating ${name} to CR ${target.toFixed(2)}: round ${round + 1}, ${wanted.size} of ${left.length} left`);
    const settings = [...wanted].map(([each, value]) => {
      const { policy, knob, gated, folder } = placed.get(each)!;
      const own = { policy: policyAt(policy, knob, value), length: longest(shape) };
      return setting(folder === undefined ? shape : { ...shape, models: folder }, each, {
        ...own,
        model: folder !== undefined ? "." : gated ? gatedModel(ratio) : "abacus",
      });
    });
    // What is sought of others, later, has folders of its own.
    const known = Object.keys({ ...before.found, ...before.failed }).length;
    const place = join("calibration", `${name}-${known}`, String(round));
    const rows = await runner.run(place, settings, { problems: shape.problems, seed });
    return new Map(
      rows.map((row) => {
        tokens.set(`${row.setting} ${wanted.get(row.setting)}`, row.tokens);
        return [row.setting, row.failed > 0 ? null : row.cr];
      }),
    );
  });
  const found: CalibratedGroup = { target, found: { ...before.found }, failed: { ...before.failed } };
  for (const [each, search] of searches) {
    const best = search.best();
    const { policy, knob } = placed.get(each)!;
    if (best === null) found.failed[each] = whyNone(knob);
    else
      found.found[each] = {
        ...best,
        policy: policyAt(policy, knob, best.value),
        tokens: tokens.get(`${each} ${best.value}`)!,
      };
  }
  runner.state.groups[name] = found;
  await runner.save();
}

/** Models that compress nothing have nothing to be compared at. */
const LEAST = 1.02;

const whyNone = ({ name, gentle, harsh }: Knob): string =>
  `chains failed at every ${name} that was tried, from ${gentle} to ${harsh}`;

/** Tokens that a chain draws under a setting of a stage, as far as the calibration tells. */
export function tokensOf({ state }: Runner, stage: string, name: string, length: number): number {
  const { measured, groups } = state;
  const known = groups[stage]?.found[plainName(name)];
  if (known) return known.tokens;
  const ratio = /^dms (\d+)x/.exec(name)?.[1];
  const { tokens } = (ratio ? measured[`dms-${ratio}x`] : undefined) ?? measured.full;
  return mean(tokens.map((n) => Math.min(n, length)));
}
