import { badArgument } from "../base/errors.ts";
import type { LaneInfo, Policy, Trained } from "./policy.ts";
import { tokensOf } from "./protect.ts";

const identities = new WeakMap<Policy, string>();
let made = 0;

/**
 * A policy that a caller made himself, found sound for a model, and under a key of its own: its functions are its
 * alone, whatever it is called. Throws `bad-argument` saying what does not fit.
 */
export function checkPolicy(policy: Policy, model: Trained): Policy {
  const wrong = (expected: string) => badArgument(`policy ${policy.name}: expected ${expected}`);
  const { labels, cut } = policy;
  if (typeof policy.name !== "string" || typeof policy.key !== "string")
    throw badArgument("a policy of one's own: expected an object with a name and a key");
  if (labels && cut) throw wrong("labels or a cut, not both");
  if (labels?.source === "dms" && !model.dms) throw wrong("a model with DMS gates, for labels of source dms");
  if (labels?.source === "probe" && !model.probe)
    throw wrong("a model with a probe (--probe DIR), for labels of source probe");
  if (labels && !(Number.isInteger(labels.window) && labels.window >= 0))
    throw wrong("labels with a whole window >= 0");
  if (labels && Number.isNaN(labels.threshold)) throw wrong("a number as the labels' threshold");
  if (cut) {
    const { rule, watch, decode, atPrompt } = cut;
    if (!(Number.isInteger(rule.slack) && rule.slack >= 1)) throw wrong("a rule with a whole slack >= 1");
    if (!(rule.recent >= 0 && rule.floor >= 0 && rule.floor <= 1))
      throw wrong("a rule with recent >= 0 and floor from 0 to 1");
    if (decode && !(Number.isInteger(decode.every) && decode.every >= 1))
      throw wrong("decode.every to be a whole number >= 1");
    if (decode?.score.some(({ kind }) => kind === "expected"))
      throw wrong("expected attention at the prompt's end only: moments are of the prompt's queries");
    if (decode && rule.share === "set" && !cut.rescore)
      throw wrong("decode to be null with budgets shared over all layers: cuts while decoding run layer by layer");
    const { changes } = watch;
    if (changes && !(0 <= changes.early && changes.early < changes.late && changes.late < model.layers))
      throw wrong(`changes before two of the model's ${model.layers} layers, the early one first`);
    if (changes && decode && !(rule.recent >= 1))
      throw wrong("recent >= 1 with changes: the newest key's is not known yet where the first layers cut");
    if (watch.gates && !model.dms) throw wrong("a model with DMS gates, to watch gates");
    for (const scorer of [...(atPrompt ?? []), ...(decode?.score ?? [])]) {
      if (scorer.kind === "attention" && !(scorer.queries >= 1 && scorer.queries <= watch.queries))
        throw wrong(
          `to watch at least the ${scorer.queries} queries that it ranks by (watch.queries is ${watch.queries})`,
        );
      if (scorer.kind === "attention" && scorer.kernel % 2 !== 1) throw wrong("an odd kernel");
      if (scorer.kind === "change" && !changes) throw wrong("to watch changes, which it ranks by");
      if (scorer.kind === "range" && !(scorer.part >= 0 && scorer.part <= 1)) throw wrong("a part from 0 to 1");
      if (scorer.kind === "expected" && !watch.moments) throw wrong("to watch moments, for expected attention");
    }
  }
  let identity = identities.get(policy);
  if (!identity) {
    identity = `${policy.key} #${++made}`;
    identities.set(policy, identity);
  }
  return { ...policy, key: identity };
}

/**
 * Throws `bad-argument` where protected keys alone fill a lane's budget: nothing else
 * that a chain reads or says could stay.
 */
export function checkRoom({ name, cut }: Policy, lane: Omit<LaneInfo, "layer" | "head">): void {
  if (!cut || (cut.protect === "prompt" && !cut.decode)) return;
  const kept = Math.min(tokensOf(cut.protect, lane.prompt), lane.prompt);
  for (let layer = 0; layer < lane.layers; layer++) {
    const budget = Math.floor(cut.budget({ ...lane, layer, head: 0 }) + 1e-9);
    if (kept > 0 && kept >= budget && budget < (cut.decode ? lane.tokens : lane.prompt))
      throw badArgument(
        `policy ${name} keeps ${kept} keys in any case and has a budget of ${budget}: nothing would be left for others; raise the budget or protect fewer`,
      );
  }
}
