import { badArgument } from "../base/errors.ts";
import type { Sampling } from "../engine/sampling.ts";
import type { Channel } from "../request/channel.ts";
import { type DepthOptions, depthOf, tagsOf } from "../request/depth.ts";
import { opensThinking } from "../request/opening.ts";
import { Output } from "../request/output.ts";
import { prepare, type RequestOptions } from "../request/prepare.ts";
import type { Prompt } from "../request/prompt.ts";
import type { Session } from "../request/session.ts";
import type { Stop } from "../request/stop.ts";
import { usageOf } from "../request/usage.ts";
import { messagesOf } from "./ballots.ts";
import { type ChooseOptions, chooserOf } from "./chooser.ts";
import { Equality } from "./equality/equality.ts";
import type { ScaleEvent, ScaleResult } from "./result.ts";
import { Run } from "./run.ts";
import { votingSampling, votingTemplate } from "./voting.ts";

export type { ChainResult, ScaleEvent, ScaleResult } from "./result.ts";

/**
 * As for `generate`, but the temperature is 1 where nobody names one, or where the checkpoint asks for greedy: equal
 * chains cannot vote.
 */
export interface ScaleOptions extends RequestOptions, DepthOptions, ChooseOptions, Partial<Omit<Sampling, "logprobs">> {
  /** Chains, default 8. */
  width?: number;
  /**
   * Merge answers that are equal in other spellings, \frac{\sqrt2}{2} and 1/\sqrt{2}; default false. Votes of numbers
   * and choices alone need none of it. An `Equality` of one's own stays open.
   */
  merge?: boolean | Equality;
}

/**
 * W chains over one prompt and one vote, streamed. Iterate it for events, or await `result`. A reader who comes late
 * finds each chain's text so far in one event.
 */
export class Scaling extends Output<ScaleEvent, ScaleResult> {
  constructor(session: Session, prompt: Prompt, options: ScaleOptions) {
    super(
      (events, stop) => session.during(stop, () => runChains(session, prompt, options, events, stop)),
      options.signal,
    );
  }
}

async function runChains(
  session: Session,
  prompt: Prompt,
  options: ScaleOptions,
  events: Channel<ScaleEvent>,
  stop: Stop,
): Promise<ScaleResult> {
  const width = options.width ?? 8;
  if (!Number.isInteger(width) || width < 1 || width > 1024)
    throw badArgument(`width must be a whole number of chains from 1 to 1024, got ${width}`);
  const chooser = chooserOf(options);
  const template = votingTemplate(options.template);
  const asked = { ...options, template, signal: stop.signal };
  const { text, ids, maxTokens, stopIds, policy } = await prepare(session, prompt, asked);
  const sampling = votingSampling(session, { ...options, logprobs: chooser.confidence?.k });
  const thinking = tagsOf(options);
  const opened = thinking !== null && opensThinking(session, prompt, template, thinking);
  const depth = await depthOf(session, { ...options, stopIds }, () => opened);
  stop.signal.throwIfAborted();
  await using owned = options.merge === true ? new Equality() : null;
  const equality = owned ?? (options.merge instanceof Equality ? options.merge : null);
  const run = new Run(session, events, {
    ...chooser,
    ...{ width, maxTokens, sampling, stopIds, thinking, opened, depth, equality },
    stop: options.stop,
    signal: stop.signal,
    messages: chooser.verifier ? messagesOf(prompt, session.tokenizer) : [],
  });
  events.push({ type: "start", width, promptTokens: ids.length, policy: policy.key });
  const group = await run.all(ids, policy, stop);
  const result: ScaleResult = {
    ...run.outcome(),
    prompt: { text, tokens: ids.length },
    sampling,
    usage: usageOf(session, group),
    policy: policy.key,
  };
  events.push({ type: "result", result });
  return result;
}

/**
 * W chains, answers extracted, equal ones grouped, and a majority vote, or who else is to choose. Throws (through the
 * iterator and `result`) as `generate` does.
 */
export const scale = (session: Session, prompt: Prompt, options: ScaleOptions = {}): Scaling =>
  new Scaling(session, prompt, options);
