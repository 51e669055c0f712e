// Chains of one problem through the engine, each to its own end: one that fails leaves the others alone.

import { HyperthinkError } from "../../base/errors.ts";
import { visible } from "../../base/visible.ts";
import type { Chain, ChainSpec, Group, Stem } from "../../engine/chain.ts";
import type { Sampling } from "../../engine/sampling.ts";
import { type DepthOptions, depthOf, tagsOf } from "../../request/depth.ts";
import { opensThinking } from "../../request/opening.ts";
import { prepare } from "../../request/prepare.ts";
import type { Session } from "../../request/session.ts";
import { Stop } from "../../request/stop.ts";
import { ChainText } from "../../request/text.ts";
import { chainUsage, promptUsage } from "../../request/usage.ts";
import { votingSampling, votingTemplate } from "../../scale/voting.ts";
import type { PromptCost } from "../metrics/chain.ts";
import { type Loop, loopOf } from "../metrics/loops.ts";
import type { Asked, Style } from "../tasks/task.ts";

/** How chains are drawn, whatever they are asked. */
export interface ChainOptions extends DepthOptions, Partial<Omit<Sampling, "seed" | "logprobs">> {
  /** Texts that end a reply, beside the task's. */
  stop?: readonly string[];
  /** End ids beside the model's. */
  stopIds?: readonly number[];
  /** Variables of the chat template. */
  template?: Record<string, unknown>;
}

export interface ChainRequest {
  asked: Asked;
  style: Style;
  policy: string;
  cr?: number;
  maxTokens: number;
  seed: number;
  chains: readonly number[]; // indices
  options: ChainOptions;
  /** What a task is always asked with, where `options` say nothing. */
  sampling?: Partial<Sampling>;
  /** What a prompt of these tokens begins from; `left` is called once the chains are submitted. */
  stem?: { of: (prompt: readonly number[]) => Stem | null; left: () => void };
  signal: AbortSignal;
  onToken: () => void;
  onEnd: (chain: EndedChain) => void;
}

/** A chain that ended, as the engine knows it: its answer is not read yet. */
export interface EndedChain {
  chain: number;
  text: string;
  end: "finished" | "truncated" | "failed";
  why: string | null; // it failed
  opened: boolean; // the prompt opened the thinking
  tokens: number;
  reads: number;
  fullReads: number;
  peakKeys: number;
  peakBytes: number;
  seconds: number; // from when it was asked for
  loop: Loop | null;
  prompt: PromptCost;
}

/** An error of a chain, or of its problem's prompt, which says nothing of others. */
export const isOwnFault = (error: unknown): error is HyperthinkError =>
  error instanceof HyperthinkError && error.code !== "aborted" && error.code !== "unsupported";

/**
 * Runs chains to their ends, which `onEnd` hears of. Throws `aborted`, and what no chain is to blame for: then some
 * have not been heard of.
 */
export async function runChains(session: Session, request: ChainRequest): Promise<void> {
  const started = performance.now();
  const stop = new Stop(request.signal);
  try {
    await session.during(stop, () => submit(session, request, stop, started));
  } catch (error) {
    if (!isOwnFault(error)) throw error;
    const seconds = (performance.now() - started) / 1000;
    for (const chain of request.chains) request.onEnd({ ...nothing(chain, error), seconds });
  } finally {
    stop.release();
  }
}

const NO_COST = { tokens: 0, keys: 0, bytes: 0, peakKeys: 0, peakBytes: 0 };

/** A chain whose prompt was refused. */
const nothing = (chain: number, error: Error): EndedChain => ({
  ...{ chain, text: "", end: "failed", why: visible(error.message), opened: false },
  ...{ tokens: 0, reads: 0, fullReads: 0, peakKeys: 0, peakBytes: 0, seconds: 0, loop: null, prompt: NO_COST },
});

/** Tags of the thinking; a text that is continued has none. */
export const thinkingOf = (style: Style, options: ChainOptions) => (style === "text" ? null : tagsOf(options));

async function submit(session: Session, request: ChainRequest, stop: Stop, started: number): Promise<void> {
  const { asked, style, options, policy, cr, maxTokens, seed } = request;
  const template = votingTemplate(options.template);
  const { signal } = stop;
  const own = options.stopIds && [...session.config.eosIds, ...options.stopIds];
  const prepared = await prepare(session, asked.prompt, { policy, cr, maxTokens, template, stopIds: own, signal });
  const { ids, stopIds } = prepared;
  const thinking = thinkingOf(style, options);
  const opened = thinking !== null && opensThinking(session, asked.prompt, template, thinking);
  const depth = await depthOf(session, { ...options, thinking, stopIds }, () => opened);
  const sampling = { ...samplingOf(session, request), seed };
  const stops = [...(asked.stop ?? []), ...(options.stop ?? [])];
  signal.throwIfAborted();
  const ends = request.chains.map(() => Promise.withResolvers<void>());
  const specs = request.chains.map((index, i): ChainSpec => {
    const text = new ChainText(session.tokenizer, stops, { special: true });
    return {
      ...{ sampling, maxTokens, stopIds, index, steer: depth?.() },
      onToken: ({ id }) => {
        request.onToken();
        if (stopIds.has(id)) return false;
        text.push(id);
        return text.stopped;
      },
      onFinish: (finish, error) => {
        if (error && !isOwnFault(error)) return ends[i].reject(error);
        text.end();
        if (finish !== "aborted")
          request.onEnd(ended(session, group, group.chains[i], { text: text.text, opened, started, error }));
        ends[i].resolve();
      },
    };
  });
  const group: Group = session.engine.submit(ids, prepared.policy, specs, { stem: request.stem?.of(ids) });
  request.stem?.left();
  const abort = () => {
    for (const chain of group.chains) session.engine.abort(chain);
  };
  const settled = await stop.during(Promise.allSettled(ends.map(({ promise }) => promise)), abort);
  for (const end of settled) if (end.status === "rejected") throw end.reason;
}

/** As `scale` draws, where neither options nor the task say otherwise. */
export function samplingOf(
  session: Session,
  { options, sampling }: Pick<ChainRequest, "options" | "sampling">,
): Sampling {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const { from: _, ...chosen } = votingSampling(session, { ...sampling, ...given, logprobs: undefined });
  return chosen;
}

function ended(
  session: Session,
  group: Group,
  chain: Chain,
  { text, opened, started, error }: { text: string; opened: boolean; started: number; error?: Error },
): EndedChain {
  const { tokens, kvReads, fullReads, peakKeys, peakBytes } = chainUsage(session, chain, text);
  return {
    ...{ chain: chain.spec.index, text, opened },
    end: error ? "failed" : chain.finish === "stop" ? "finished" : "truncated",
    why: error ? visible(error.message) : null,
    ...{ tokens, reads: kvReads, fullReads, peakKeys, peakBytes },
    seconds: (performance.now() - started) / 1000,
    loop: loopOf(chain.tokens),
    prompt: { tokens: group.prompt.length, ...promptUsage(session, group) },
  };
}
