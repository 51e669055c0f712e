// Problems that a model answers by how likely it finds given texts: no chains, one number each.

import { visible } from "../../base/visible.ts";
import type { PolicyChoice } from "../../request/policy.ts";
import type { Session } from "../../request/session.ts";
import { perplexityOf, type Scored, scoreChoices, scoreTokens } from "../score.ts";
import type { ChoiceItem } from "../tasks/task.ts";
import type { AskedTask, Window } from "./asked.ts";
import { isOwnFault } from "./chains.ts";
import type { GradedChain } from "./grade.ts";

export type ValueTask = Exclude<AskedTask, { kind: "vote" }>;

/** One problem's value, as chain 0 of it. Throws `aborted`, and what the problem is not to blame for. */
export async function measure(
  session: Session,
  task: ValueTask,
  problem: ChoiceItem | Window,
  choice: PolicyChoice & { signal: AbortSignal },
): Promise<GradedChain> {
  const started = performance.now();
  try {
    const found =
      task.kind === "perplexity"
        ? await windowValue(session, task.prefix, problem as Window, choice)
        : await choiceValue(session, problem as ChoiceItem, choice);
    return { ...found, ...EVERY, seconds: (performance.now() - started) / 1000 };
  } catch (error) {
    if (!isOwnFault(error)) throw error;
    const seconds = (performance.now() - started) / 1000;
    const none = { prompt: 0, keys: 0, peakKeys: 0, reads: 0, fullReads: 0, logprobs: [] };
    const said = { key: null, score: 0, answer: null, why: visible(error.message), text: "" };
    return { ...EVERY, ...costOf(none), ...said, end: "failed", seconds };
  }
}

const EVERY = { chain: 0, end: "finished", loop: null, peakBytes: 0 } as const;

async function choiceValue(session: Session, { context, choices, right }: ChoiceItem, choice: PolicyChoice) {
  const scored = await scoreChoices(session, context, choices, choice);
  const text = choices[scored.best];
  const said = { key: String(scored.best), score: Number(scored.best === right), answer: text.trim(), why: null, text };
  return { ...costOf(scored), ...said };
}

async function windowValue(session: Session, prefix: number, { ids }: Window, choice: PolicyChoice) {
  const scored = await scoreTokens(session, ids.slice(0, prefix), [ids.slice(prefix)], choice);
  const perplexity = perplexityOf(scored.logprobs[0]);
  const answer = perplexity.toPrecision(6);
  return { ...costOf(scored), key: answer, score: Math.min(1, 1 / perplexity), answer, why: null, text: "" };
}

const costOf = ({ prompt, keys, peakKeys, reads, fullReads, logprobs }: Scored) => ({
  ...{ reads, fullReads, peakKeys },
  tokens: logprobs.reduce((sum, { length }) => sum + length, 0),
  prompt: { tokens: prompt, keys, bytes: 0, peakKeys: keys, peakBytes: 0 },
});
