import type { ChainSpec, Token } from "../engine/chain.ts";
import { greedy, type Sampling } from "../engine/sampling.ts";
import type { Channel } from "./channel.ts";
import { type DepthOptions, depthOf } from "./depth.ts";
import { opensThinking } from "./opening.ts";
import { Output } from "./output.ts";
import { prepare, type RequestOptions } from "./prepare.ts";
import type { Prompt } from "./prompt.ts";
import { chooseSampling, type SamplingUsed } from "./sampling.ts";
import type { Session } from "./session.ts";
import type { Stop } from "./stop.ts";
import { ChainText } from "./text.ts";
import { type ChainUsage, chainUsage, type Usage, usageOf } from "./usage.ts";

/**
 * Sampling fields that are left out are those of the checkpoint's generation_config.json, where it names them; else
 * decoding is greedy. `temperature: 0` is greedy whatever the checkpoint says (a repetition penalty still acts: 1 is
 * none).
 */
export interface GenerateOptions extends RequestOptions, Partial<Sampling>, DepthOptions {}

export interface Piece {
  /** Text that became safe to show; may be empty. */
  text: string;
  token: Token | null; // null: held-back text at the end
}

export interface GenerateResult extends ChainUsage {
  prompt: { text: string | null; tokens: number };
  sampling: SamplingUsed;
  usage: Usage;
}

/**
 * Output of one chain, streamed. Iterate it for text as it comes, or await `result`. A reader who comes late begins
 * with one piece that holds the text so far, without its tokens.
 */
export class Generation extends Output<Piece, GenerateResult> {
  constructor(session: Session, prompt: Prompt, options: GenerateOptions) {
    super((pieces, stop) => session.during(stop, () => run(session, prompt, options, pieces, stop)), options.signal);
  }
}

async function run(
  session: Session,
  prompt: Prompt,
  options: GenerateOptions,
  pieces: Channel<Piece>,
  stop: Stop,
): Promise<GenerateResult> {
  const asked = { ...options, signal: stop.signal };
  const { text: promptText, ids, maxTokens, stopIds, policy } = await prepare(session, prompt, asked);
  const text = new ChainText(session.tokenizer, options.stop ?? []);
  const soFar = (): Piece => ({ text: text.text, token: null });
  const sampling = chooseSampling(options, session.suggested.sampling, greedy);
  const depth = await depthOf(session, { ...options, stopIds }, (thinking) =>
    opensThinking(session, prompt, options.template ?? {}, thinking),
  );
  stop.signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const spec: ChainSpec = {
    sampling,
    maxTokens,
    stopIds,
    index: 0,
    steer: depth?.(),
    onToken: (token) => {
      pieces.push({ text: stopIds.has(token.id) ? "" : text.push(token.id), token }, soFar);
      return text.stopped;
    },
    onFinish: (_finish, error) => (error ? reject(error) : resolve()),
  };
  const group = session.engine.submit(ids, policy, [spec]);
  const [chain] = group.chains;
  await stop.during(promise, () => session.engine.abort(chain));
  const last = text.end();
  if (last) pieces.push({ text: last, token: null }, soFar);
  return {
    ...chainUsage(session, chain, text.text),
    prompt: { text: promptText, tokens: ids.length },
    sampling,
    usage: usageOf(session, group),
  };
}

/** Generates one continuation. Throws (through the iterator and `result`) `bad-argument`, `no-memory`, `aborted`. */
export const generate = (session: Session, prompt: Prompt, options: GenerateOptions = {}): Generation =>
  new Generation(session, prompt, options);
