// Which models run under which policies and budgets.

import { badArgument, HyperthinkError } from "../../base/errors.ts";
import { makePolicy, recipeOf } from "../../policy/index.ts";
import type { Policy, PolicyOptions, Trained } from "../../policy/policy.ts";
import { parseSpec } from "../../policy/spec.ts";
import { budgetName, isScalingBudget, type ScalingBudget, scalingBudgets } from "../../scale/budget.ts";
import { type KnownModel, keyOfModel, type ModelChoice } from "./model.ts";
import type { RecordedSetting } from "./record.ts";

/** A model under a policy, at some budgets. */
export interface SettingChoice {
  /** What its user calls it; default: its policy. */
  name?: string;
  model: ModelChoice;
  /** Default: dms where the model has gates, else full. */
  policy?: string;
  budgets: readonly ScalingBudget[];
  /** Whether each of the budgets is meant for it; default: those that it can take, at least one. */
  all?: boolean;
  /** Budgets of thinking of its own. */
  depth?: OwnDepth;
}

export interface OwnDepth {
  /** Tokens between the end of the thinking, which is forced there, and a budget's length: room for the answer. */
  room?: number;
  /** Most ends of thinking that are replaced. */
  nudges?: number;
}

/**
 * NAME=MODEL[+ADAPTER...]:POLICY[:BUDGETS] as in "dms=models/a+adapters/b:dms:8k-8-4"; without budgets, `budgets` are
 * the choice. Throws `bad-argument`.
 */
export function parseSetting(text: string, budgets: readonly ScalingBudget[]): SettingChoice {
  const [, name, place, rest] = /^([^=:]+)=([^:]+):(.+)$/s.exec(text) ?? [];
  if (name === undefined)
    throw badArgument(
      `setting "${text}": expected NAME=MODEL[+ADAPTER...]:POLICY[:BUDGETS] such as dms4=models/a+adapters/b:dms:8k-8-4`,
    );
  const at = rest.lastIndexOf(":");
  const own = at >= 0 && isScalingBudget(rest.slice(at + 1)) ? scalingBudgets(rest.slice(at + 1)) : null;
  const [path, ...adapters] = place.split("+");
  const model = { path, adapters };
  const policy = own === null ? rest : rest.slice(0, at);
  if (own === null && budgets.length === 0)
    throw badArgument(`setting "${text}": expected a budget in it, or --budget for all, got neither`);
  return { name: name.trim(), model, policy, budgets: own ?? budgets, all: own !== null };
}

export interface ChosenSettings {
  settings: RecordedSetting[];
  /** Policies and budgets that have no use for each other, and why. */
  leftOut: string[];
}

/** All settings, checked against the models as far as these are known. Throws `bad-argument`. */
export function chooseSettings(
  choices: readonly SettingChoice[],
  models: ReadonlyMap<string, KnownModel>,
): ChosenSettings {
  const settings: RecordedSetting[] = [];
  const leftOut: string[] = [];
  for (const choice of choices) {
    const model = models.get(keyOfModel(choice.model))!;
    const policy = choice.policy ?? (model.trained.dms ? "dms" : "full");
    const faults = choice.budgets.map((budget) => fault(model, policy, budget));
    const found = [...new Set(faults.filter((why) => why !== null))];
    const wrong = found.length > 0 && (choice.all || !faults.includes(null));
    if (wrong) throw badArgument(`${choice.name ?? policy}: ${found.join("; ")}`);
    for (const [i, budget] of choice.budgets.entries()) {
      checkRoom(model, budget);
      const called = choice.name ?? (models.size > 1 ? `${model.name} ${policy}` : policy);
      const isOne = choice.name !== undefined && choice.all && choice.budgets.length === 1;
      const id = isOne ? called : `${called} ${budgetName(budget)}`;
      if (faults[i]) leftOut.push(`${id} (${faults[i]})`);
      else settings.push({ id, policy, model: model.name, ...budget, ...depthAt(choice.depth, budget) });
    }
  }
  const ids = settings.map(({ id }) => id);
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined) throw badArgument(`settings: expected each once, got "${twice}" twice`);
  if (settings.length === 0) throw badArgument("expected a budget and a model or setting at least, got none");
  return { settings, leftOut };
}

/** The budgets of thinking of a setting, in words of `DepthOptions`. */
export const depthOfSetting = ({ thinkMost, nudges }: Pick<RecordedSetting, "thinkMost" | "nudges">) => ({
  ...(thinkMost === undefined ? {} : { thinkMost }),
  ...(nudges === undefined ? {} : { nudges }),
});

function depthAt({ room, nudges }: OwnDepth = {}, { length }: ScalingBudget): ReturnType<typeof depthOfSetting> {
  if (room !== undefined && !(Number.isInteger(room) && room >= 1 && room < length))
    throw badArgument(`room for an answer: expected 1 to ${length - 1} of ${length} tokens, got ${room}`);
  return depthOfSetting({ thinkMost: room === undefined ? undefined : length - room, nudges });
}

function checkRoom({ name, context }: KnownModel, budget: ScalingBudget): void {
  if (budget.length >= context)
    throw badArgument(
      `budget ${budgetName(budget)}: the context of ${name}, ${context} tokens, has no room for it and a prompt`,
    );
}

/**
 * The policy of a setting, as far as it is known before a prompt is: a system text that it protects is not counted yet.
 * Throws `bad-argument`.
 */
export function policyOfSetting(
  trained: Trained,
  { policy, cr, length }: Pick<RecordedSetting, "policy" | "cr" | "length">,
): Policy {
  const { name, options } = parseSpec(policy);
  const { protect, ...rest } = options;
  const kept = protect === "system" ? {} : { protect };
  return makePolicy(name, trained, { ...rest, ...kept, ...(cr > 1 ? { cr } : {}), tokens: length });
}

/** Whether a policy's spec says itself how much stays. */
export const hasOwnSize = (policy: string): boolean => {
  const { name, options } = parseSpec(policy);
  return sizeOf(name, options) !== undefined;
};

/** Options that say how much stays. `recent` is a part of what stays, but for the policy that keeps nothing else. */
const sizeOf = (name: string, options: PolicyOptions): keyof PolicyOptions | undefined =>
  (["cr", "budget", "threshold", ...(name === "streaming" ? (["recent"] as const) : [])] as const).find(
    (size) => options[size] !== undefined,
  );

/** Why a policy has no use for a budget's ratio; null where it has. A ratio of 1 asks nothing of a policy. */
function fault({ trained }: KnownModel, policy: string, { cr, length }: ScalingBudget): string | null {
  const { name, options } = parseSpec(policy);
  const { budgets, settings } = recipeOf(name);
  const sized = sizeOf(name, options);
  if (cr > 1 && sized !== undefined) return `${sized} is given already: expected a ratio of 1, got ${cr}`;
  const asks = budgets.includes("cr") || settings.cr !== undefined;
  const tooLow = cr === 1 && asks && sized === undefined && name !== "full";
  const ratio = tooLow ? (trained.dms?.cr ?? 2) : cr; // whether it would run at all comes first
  try {
    policyOfSetting(trained, { policy, cr: ratio, length });
  } catch (error) {
    if (error instanceof HyperthinkError) return error.message;
    throw error;
  }
  return tooLow ? "expected a ratio above 1, got 1" : null;
}
