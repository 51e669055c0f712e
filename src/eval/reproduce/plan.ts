// Which settings each experiment runs, in which folder. Folders are shared: what two experiments need runs once.

import { join } from "node:path";
import { badArgument } from "../../base/errors.ts";
import { checkWhole } from "../../base/whole.ts";
import type { SettingChoice } from "../harness/setting.ts";
import type { CalibratedGroup } from "./state.ts";

export const EXPERIMENTS = ["methods", "eviction", "scaling"] as const;
export type Experiment = (typeof EXPERIMENTS)[number];

export interface Shape {
  models: string; // folder with abacus and abacus-dms-*
  problems: number;
  width: number;
  /** Most new tokens of a chain, shortest first; the last is that of all experiments but scaling. */
  lengths: readonly number[];
  only: readonly Experiment[];
  /** Frontiers of all policies at three ratios too. */
  full: boolean;
  /** A retrofit that was trained to evict at once. */
  immediate: string | null;
}

export const RATIOS = [2, 4, 8] as const;
export const RATIO = 4;
/** Tokens that stay for an answer where the thinking is cut. */
export const ROOM = 16;

/** Settings of one folder of runs. */
export interface Stage {
  name: string;
  settings: SettingChoice[];
}

export const dmsName = (ratio: number): string => `dms ${ratio}x`;

export const longest = ({ lengths }: Pick<Shape, "lengths">): number => lengths.at(-1)!;

/** One model under one policy at one length. */
export const setting = (
  { models, width }: Pick<Shape, "models" | "width">,
  name: string,
  {
    model,
    policy,
    length,
    cr = 1,
    nudges,
  }: { model: string; policy: string; length: number; cr?: number; nudges?: number },
): SettingChoice => ({
  ...{ name, policy, all: true, model: { path: join(models, model), adapters: [] } },
  budgets: [{ length, width, cr }],
  depth: { room: ROOM, nudges },
});

export const gatedModel = (ratio: number): string => `abacus-dms-${ratio}x`;

const dms = (
  shape: Pick<Shape, "models" | "width">,
  ratio: number,
  length: number,
  name = dmsName(ratio),
  nudges?: number,
) => setting(shape, name, { model: gatedModel(ratio), policy: "dms", cr: ratio, length, nudges });
const plain = (shape: Pick<Shape, "models" | "width">, length: number, name = "full", nudges?: number) =>
  setting(shape, name, { model: "abacus", policy: "full", length, nudges });

/** Ratios whose retrofits a reproduction needs. */
export const ratiosOf = ({ only, full }: Pick<Shape, "only" | "full">): number[] =>
  full ? [...RATIOS] : only.includes("scaling") ? [4, 8] : [RATIO];

/** Models under their own policies: what all else is compared with. A folder each. */
export const references = (shape: Shape, ratios: readonly number[]): Stage[] => [
  { name: "full", settings: [plain(shape, longest(shape))] },
  ...ratios.map((ratio) => ({ name: `dms-${ratio}x`, settings: [dms(shape, ratio, longest(shape))] })),
];

/** The group of rivals at one ratio; the ratio of `methods` has no number behind its names. */
export const groupName = (ratio: number): string => (ratio === RATIO ? "methods" : `methods-${ratio}x`);
export const rivalName = (name: string, ratio: number): string => (ratio === RATIO ? name : `${name}, as ${ratio}x`);
/** Without its ratio. */
export const plainName = (name: string): string => name.replace(/, as \d+x$/, "");

/** All runs, once rivals are calibrated. */
export function stagesOf(shape: Shape, groups: Readonly<Record<string, CalibratedGroup>>): Stage[] {
  const { only, full } = shape;
  const length = longest(shape);
  const rivals = (ratio: number): Stage => ({
    name: groupName(ratio),
    settings: Object.entries(groups[groupName(ratio)]?.found ?? {}).map(([name, { policy }]) =>
      setting(shape, rivalName(name, ratio), {
        ...{ policy, length, model: policy.startsWith("dms-budget") ? gatedModel(ratio) : "abacus" },
      }),
    ),
  });
  return [
    ...references(shape, full ? RATIOS : [RATIO]),
    ...(only.includes("scaling") ? [wide(shape), shorter(shape), nudged(shape)] : []),
    ...(only.includes("eviction") ? [eviction(shape, groups.eviction)] : []),
    ...(only.includes("methods") || full ? [rivals(RATIO)] : []),
    ...(full ? RATIOS.filter((ratio) => ratio !== RATIO).map(rivals) : []),
  ].filter(({ settings }) => settings.length > 0);
}

/** More chains: what w chains of the full cache cost, more of dms cost as well. */
const wide = (shape: Shape): Stage => ({
  name: "wide",
  settings: ratiosOf(shape).map((ratio) =>
    dms({ ...shape, width: WIDER * shape.width }, ratio, longest(shape), `${dmsName(ratio)}, wide`),
  ),
});
/** With as many chains each, two frontiers of which one costs a fourth would hardly have budgets in common. */
const WIDER = 2;

const shorter = (shape: Shape): Stage => ({
  name: "scaling",
  settings: shape.lengths
    .slice(0, -1)
    .flatMap((length) => [
      plain(shape, length, `full at ${length}`),
      ...ratiosOf(shape).map((ratio) => dms(shape, ratio, length, `${dmsName(ratio)} at ${length}`)),
    ]),
});

/** Whose first end of the thinking is replaced by the model's nudge. */
const nudged = (shape: Shape): Stage => ({
  name: "nudged",
  settings: [
    plain(shape, longest(shape), "full, nudged", 1),
    dms(shape, RATIO, longest(shape), `${dmsName(RATIO)}, nudged`, 1),
  ],
});

export const EVICTION = {
  window: `${dmsName(RATIO)}, window 0`,
  windowEqual: `${dmsName(RATIO)}, window 0, threshold moved`,
  immediate: "trained to evict at once",
  immediateEqual: "trained to evict at once, threshold moved",
} as const;

/** Gates as they were trained, with no window; and, where a calibration found it, at the ratio of the delayed ones. */
function eviction(shape: Shape, group: CalibratedGroup | undefined): Stage {
  const length = longest(shape);
  const own = { model: gatedModel(RATIO), length };
  const found = (name: string) => group?.found[name];
  const moved = found(EVICTION.windowEqual);
  const movedOther = found(EVICTION.immediateEqual);
  const other = shape.immediate === null ? null : { ...shape, models: shape.immediate };
  return {
    name: "eviction",
    settings: [
      setting(shape, EVICTION.window, { ...own, policy: "dms:window=0", cr: RATIO }),
      ...(moved ? [setting(shape, EVICTION.windowEqual, { ...own, policy: moved.policy })] : []),
      ...(other ? [setting(other, EVICTION.immediate, { model: ".", length, policy: "dms:threshold=0" })] : []),
      ...(other && movedOther
        ? [setting(other, EVICTION.immediateEqual, { model: ".", length, policy: movedOther.policy })]
        : []),
    ],
  };
}

/** Throws `bad-argument` for what is no shape of a reproduction. */
export function checkShape({ problems, width, lengths, only }: Shape): void {
  checkWhole("problems", problems, 2);
  checkWhole("width", width, 1);
  for (const length of lengths) checkWhole("lengths", length, 2 * ROOM);
  if (lengths.length === 0 || lengths.some((length, i) => i > 0 && length <= lengths[i - 1]))
    throw badArgument(`lengths: expected at least one, shortest first, got ${lengths.join(", ") || "none"}`);
  if (only.length === 0) throw badArgument(`experiments: expected some of ${EXPERIMENTS.join(", ")}, got none`);
}
