// How likely a model finds given tokens, from a cache that a policy keeps: for choices, and for perplexity.

import { badArgument, noMemory } from "../base/errors.ts";
import { type Meter, meterPass, newMeter } from "../cache/meter.ts";
import type { Segment } from "../engine/segment.ts";
import { badLogits } from "../model/bad-logits.ts";
import type { Policy } from "../policy/policy.ts";
import { type PolicyChoice, policyOf } from "../request/policy.ts";
import type { Session } from "../request/session.ts";
import { Stop } from "../request/stop.ts";
import { logSumExp } from "./compare/distance.ts";
import { feedSteps } from "./compare/steps.ts";

export interface ScoreOptions extends PolicyChoice {
  signal?: AbortSignal;
}

export interface Scored {
  /** Natural log-probability of each token of each continuation. */
  logprobs: number[][];
  prompt: number; // tokens
  /** Keys that lived after the cut, before the prompt's last token, and at most from then on; means over all heads. */
  keys: number;
  peakKeys: number;
  /** KV reads of the prompt's last token and the continuations, and what the full cache would have read for them. */
  reads: number;
  fullReads: number;
}

/**
 * Reads a prompt but for its last token under a policy. This token is fed after the cut, as decoding would, so that
 * also the first one of a continuation is foretold from what the policy kept; then each continuation is, token by
 * token, to a fork of the cache. Has the engine to itself, in its turn. Throws `bad-argument` for a prompt or
 * continuation without tokens, and where they do not fit the context; `no-memory`, `aborted`.
 */
export async function scoreTokens(
  session: Session,
  prompt: readonly number[],
  continuations: readonly (readonly number[])[],
  options: ScoreOptions = {},
): Promise<Scored> {
  const longest = Math.max(0, ...continuations.map(({ length }) => length));
  const { contextLength } = session.runner.options;
  if (prompt.length === 0 || continuations.some(({ length }) => length === 0))
    throw badArgument("expected a prompt and continuations with at least one token each, got one without");
  if (prompt.length + longest > contextLength)
    throw badArgument(
      `a prompt and its continuation have ${prompt.length + longest} tokens, the context ${contextLength}: raise --context or take shorter ones`,
    );
  const wrong = [prompt, ...continuations]
    .flat()
    .find((id) => !(Number.isInteger(id) && id >= 0 && id < session.config.vocabulary));
  if (wrong !== undefined) throw badArgument(`token ${wrong}: expected ids from 0 to ${session.config.vocabulary - 1}`);
  const policy = await policyOf(session, { ids: prompt }, options, cutAfter(prompt), prompt.length + longest);
  const stop = new Stop(options.signal);
  const work = () =>
    session.engine.alone(() => score(session, policy, prompt, continuations, stop.signal), stop.signal);
  return session.during(stop, work).finally(() => stop.release());
}

/** Tokens of a prompt before its cut. */
const cutAfter = ({ length }: readonly number[]): number => Math.max(1, length - 1);

async function score(
  { runner }: Session,
  policy: Policy,
  prompt: readonly number[],
  continuations: readonly (readonly number[])[],
  signal: AbortSignal,
): Promise<Scored> {
  const { sets, table } = runner;
  const read = cutAfter(prompt);
  runner.check(policy, read);
  const tokens = prompt.length + Math.max(0, ...continuations.map(({ length }) => length));
  const root = sets.take(policy, read, tokens);
  if (root < 0) throw noMemory("no set of lanes is free: raise --chains");
  try {
    let logits = await readToEnd(runner, root, prompt.slice(0, read), signal);
    const keys = table.meanLive(root);
    const meter = newMeter();
    await feedSteps(runner, {
      ...{ set: root, ids: prompt, from: read, signal },
      onPass: (to, count) => meterPass(meter, table, root, "decode", count, to),
      onRow: (_, row) => {
        logits = row.slice();
      },
    });
    const firsts = logprobsOf(logits, prompt.length);
    const logprobs: number[][] = [];
    for (const continuation of continuations)
      logprobs.push([
        firsts(continuation[0]),
        ...(await follow(runner, policy, root, prompt, continuation, meter, signal)),
      ]);
    const peakKeys = Math.max(keys, meter.peakLive);
    return { logprobs, prompt: prompt.length, keys, peakKeys, reads: meter.decodeReads, fullReads: meter.fullReads };
  } finally {
    sets.close(root);
  }
}

type Runner = Session["runner"];

/** Reads a prompt into a set, chunk by chunk; gives the logits after its last token. */
async function readToEnd(
  runner: Runner,
  set: number,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<Float32Array> {
  const { chunk } = runner.options;
  for (let from = 0; from < ids.length; from += chunk) {
    signal.throwIfAborted();
    const count = Math.min(chunk, ids.length - from);
    const logits: Segment["logits"] = from + count === ids.length ? "last" : "none";
    await runner.run([{ set, kind: "chunk", ids, from, count, logits }]);
  }
  const logits = new Float32Array(runner.model.config.vocabulary);
  await runner.logits(0, logits);
  return logits;
}

/** Log-probabilities of a continuation's tokens but the first. */
async function follow(
  runner: Runner,
  policy: Policy,
  root: number,
  prompt: readonly number[],
  continuation: readonly number[],
  meter: Meter,
  signal: AbortSignal,
): Promise<number[]> {
  if (continuation.length === 1) return [];
  const set = runner.sets.fork(root);
  if (set < 0) throw noMemory("no set of lanes is free: raise --chains");
  const found: number[] = [];
  try {
    await feedSteps(runner, {
      set,
      ids: [...prompt, ...continuation.slice(0, -1)],
      from: prompt.length,
      single: policy.cut?.rescore !== undefined,
      signal,
      onPass: (to, count) => meterPass(meter, runner.table, set, "decode", count, to),
      onRow: (at, logits) => found.push(logprobsOf(logits, at + 1)(continuation[at + 1 - prompt.length])),
    });
  } finally {
    runner.sets.close(set);
  }
  return found;
}

/** The log-probabilities that logits give, after `tokens` tokens. */
function logprobsOf(logits: Float32Array, tokens: number): (id: number) => number {
  const { lse } = logSumExp(logits);
  if (!Number.isFinite(lse)) throw badLogits(`token ${tokens} of a scored text`);
  return (id) => logits[id] - lse;
}

/** What the likelihoods of some continuations say. */
export interface ScoredChoices extends Scored {
  /** The most likely one: the largest sum of log-probabilities; of equal ones the first. */
  best: number;
  sums: number[];
}

/**
 * Log-likelihoods of texts as continuations of a text. What stands before the first token in which a choice differs
 * from the context's own tokens is read as the prompt, so that tokens may reach over the border. Throws as
 * `scoreTokens`.
 */
export async function scoreChoices(
  session: Session,
  context: string,
  choices: readonly string[],
  options: ScoreOptions = {},
): Promise<ScoredChoices> {
  const encode = (text: string) => session.tokenizer.encode(text, { special: true, signal: options.signal });
  const alone = await encode(context);
  const whole = await Promise.all(choices.map((choice) => encode(context + choice)));
  const shared = Math.min(...whole.map((ids) => commonLength(ids, alone)), alone.length);
  if (choices.length === 0 || shared === 0)
    throw badArgument(
      `expected a context and choices that continue it, got ${choices.length} choices of ${shared} shared tokens`,
    );
  const scored = await scoreTokens(
    session,
    alone.slice(0, shared),
    whole.map((ids) => ids.slice(shared)),
    options,
  );
  const sums = scored.logprobs.map((of) => of.reduce((sum, logprob) => sum + logprob, 0));
  return { ...scored, sums, best: sums.indexOf(Math.max(...sums)) };
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  const differs = a.findIndex((id, i) => id !== b[i]);
  return differs < 0 ? a.length : differs;
}

/** exp of the mean negative log-probability. */
export const perplexityOf = (logprobs: readonly number[]): number =>
  Math.exp(-logprobs.reduce((sum, logprob) => sum + logprob, 0) / logprobs.length);
