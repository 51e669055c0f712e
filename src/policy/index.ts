import { badArgument } from "../base/errors.ts";
import { ada } from "./ada.ts";
import { dms } from "./dms.ts";
import { dmsBudget } from "./dms-budget.ts";
import { epikv } from "./epikv.ts";
import { expected } from "./expected.ts";
import { full } from "./full.ts";
import { h2o } from "./h2o.ts";
import { keydiff } from "./keydiff.ts";
import { knorm } from "./knorm.ts";
import { kvzap } from "./kvzap.ts";
import { kvzip } from "./kvzip.ts";
import { observed } from "./observed.ts";
import type { Policy, PolicyOptions, Recipe, Trained } from "./policy.ts";
import { protect } from "./protect.ts";
import { pyramid } from "./pyramid.ts";
import { quest } from "./quest.ts";
import { random } from "./random.ts";
import { rkv } from "./rkv.ts";
import { makeSnapkv, snapkv } from "./snapkv.ts";
import { streaming } from "./streaming.ts";
import { tova } from "./tova.ts";
import { vase } from "./vase.ts";

/** SnapKV under a wrapper, under the name of the wrapper's paper. */
const wrapped = (name: string, summary: string, paper: string, fixed: PolicyOptions): Recipe => ({
  ...snapkv,
  name,
  summary,
  paper,
  settings: {
    ...snapkv.settings,
    ...Object.fromEntries(Object.entries(fixed).map(([key, value]) => [key, String(value)])),
  },
  make: (_model, options) => wrap(makeSnapkv(name, options), without(fixed, options)),
});

/** Fixed settings that the caller did not set himself. */
const without = (fixed: PolicyOptions, options: PolicyOptions): PolicyOptions =>
  Object.fromEntries(Object.entries(fixed).filter(([key]) => options[key as keyof PolicyOptions] === undefined));

export const recipes: readonly Recipe[] = [
  full,
  dms,
  dmsBudget,
  streaming,
  h2o,
  tova,
  snapkv,
  wrapped("pyramidkv", "snapkv with budgets that fall with depth", "https://arxiv.org/abs/2406.02069", { pyramid: 20 }),
  wrapped("adakv", "snapkv with budgets that a layer's heads share", "https://arxiv.org/abs/2407.11550", { ada: 0.2 }),
  rkv,
  vase,
  epikv,
  quest,
  expected,
  observed,
  kvzip,
  kvzap,
  knorm,
  keydiff,
  random,
];

function wrap(policy: Policy, options: PolicyOptions): Policy {
  let out = policy;
  if (options.pyramid !== undefined) out = pyramid(out, options.pyramid);
  if (options.ada !== undefined) out = ada(out, options.ada);
  return out;
}

export function recipeOf(name: string): Recipe {
  const recipe = recipes.find((r) => r.name === name);
  if (recipe) return recipe;
  throw badArgument(`unknown policy "${name}": expected one of ${recipes.map((r) => r.name).join(", ")}`);
}

/** The policy called `name` for a model; without a name, `dms` where the model has gates, else `full`. */
export function makePolicy(name: string | undefined, model: Trained, options: PolicyOptions = {}): Policy {
  const recipe = recipeOf(name ?? (model.dms ? "dms" : "full"));
  const { cr } = options;
  if (cr !== undefined && !(cr >= 1 && Number.isFinite(cr)))
    throw badArgument(`policy ${recipe.name}: cr must be a number >= 1 (8 means 8x smaller), got ${cr}`);
  const taken = ["tokens", ...recipe.budgets, ...Object.keys(recipe.settings)];
  const stray = Object.entries(options).find(([key, value]) => value !== undefined && !taken.includes(key));
  if (stray)
    throw badArgument(
      `policy ${recipe.name} has no ${stray[0]}: expected ${[...new Set([...recipe.budgets, ...Object.keys(recipe.settings)])].join(", ") || "no settings"}, got ${stray[0]}=${stray[1]}`,
    );
  let policy = wrap(recipe.make(model, options), options);
  if (options.protect !== undefined) {
    if (options.protect === "system")
      throw badArgument("protect=system needs a chat with system text: expected a number or prompt here");
    policy = protect(policy, options.protect);
  }
  return policy;
}
