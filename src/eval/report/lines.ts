// Which settings are one line of a figure: a policy at its lengths, widths and ratios.

import { familyOf } from "../../policy/spec.ts";
import { budgetName } from "../../scale/budget.ts";
import type { RecordedSetting } from "../harness/record.ts";

/** Whether a policy's models are one line, or each its own; auto: apart where two of them ran the same L-W-CR. */
export type LineOf = "auto" | "policy" | "model";

export const FULL = "full";

/** The line of each setting, by id. */
export function linesOf(settings: readonly RecordedSetting[], by: LineOf = "auto"): Map<string, string> {
  const families = Map.groupBy(settings, ({ policy }) => familyOf(policy));
  const lines = new Map<string, string>();
  for (const [family, some] of families) {
    const budgets = Map.groupBy(some, (setting) => `${setting.policy} ${budgetName(setting)}`);
    const clash = [...budgets.values()].some((same) => new Set(same.map(({ model }) => model)).size > 1);
    const apart = by === "model" || (by === "auto" && clash);
    for (const { id, model } of some) lines.set(id, apart ? `${family}, ${model}` : family);
  }
  return lines;
}

const SIZE = /^\s*(cr|budget|threshold)\s*=/;

/** How much a setting keeps: "CR 4", or as its policy says it, "budget=256"; empty where nothing is left out. */
export function sizeOf({ policy, cr }: RecordedSetting): string {
  const own = policy
    .split(/[:,]/)
    .slice(1)
    .filter((setting) => SIZE.test(setting));
  return own.length > 0 ? own.join(",") : cr > 1 ? `CR ${cr}` : "";
}

/** A point's name: L-W-CR, or L-W and the size that the policy names itself. */
export const runOf = (setting: RecordedSetting, width: number): string => {
  const name = budgetName({ ...setting, width });
  const size = sizeOf(setting);
  return size === "" || size.startsWith("CR ") ? name : `${name.slice(0, name.lastIndexOf("-"))} ${size}`;
};

/**
 * The full cache under the same length and width; of several the one that thought as long, then the one that was drawn
 * alike, then the one of the same model. null: there is none.
 */
export function fullOf<S extends RecordedSetting & { sampling?: string }>(
  setting: S,
  settings: readonly S[],
): S | null {
  const alike = settings.filter(
    ({ policy, length, width }) => familyOf(policy) === FULL && length === setting.length && width === setting.width,
  );
  const { thinkMost, nudges, sampling, model } = setting;
  const likeness = (other: S) =>
    4 * Number(other.thinkMost === thinkMost && other.nudges === nudges) +
    2 * Number(other.sampling === sampling) +
    Number(other.model === model);
  return alike.reduce<S | null>((best, each) => (best && likeness(best) >= likeness(each) ? best : each), null);
}
