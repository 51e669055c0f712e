import { HyperthinkError } from "../base/errors.ts";
import type { Gauge } from "../cache/meter.ts";
import type { ChatMessage } from "../model/chat.ts";
import { renderLiteral } from "../model/literal.ts";
import type { EncodeOptions } from "../model/tokenizer.ts";
import { checkRoom } from "../policy/check.ts";
import { recipeOf } from "../policy/index.ts";
import type { Policy } from "../policy/policy.ts";
import { keepPrefix, protect } from "../policy/protect.ts";
import { parseSpec } from "../policy/spec.ts";
import type { ChainSpec, Token } from "./chain.ts";
import type { Channel } from "./channel.ts";
import type { Engine } from "./engine.ts";
import { Output } from "./output.ts";
import { type Bill, bill, type Receipt, receipt } from "./receipt.ts";
import { chooseSampling, greedy, type Sampling, type SamplingUsed } from "./sampling.ts";
import type { Session } from "./session.ts";
import type { Stop } from "./stop.ts";
import { ChainText } from "./text.ts";

/**
 * A question (rendered by the model's chat template), a conversation, text as it is (control tokens that it spells are tokens; what
 * the tokenizer puts around a text is added where it is not there already), or token ids.
 */
export type Prompt = string | readonly ChatMessage[] | { raw: string } | { ids: readonly number[] };

/**
 * Sampling fields that are left out are those of the checkpoint's generation_config.json, where it names them; else decoding is greedy.
 * `temperature: 0` is greedy whatever the checkpoint says (a repetition penalty still acts: 1 is none).
 */
export interface GenerateOptions extends Partial<Sampling> {
  /** Most new tokens; default: what the context leaves. */
  maxTokens?: number;
  /** Texts that end the output; they are not part of it. They may name special tokens, which the output does not show. */
  stop?: readonly string[];
  /** End ids; default: the model's. */
  stopIds?: readonly number[];
  /**
   * A policy by name with settings ("snapkv:cr=4,window=32"; `hyperthink policies` lists them), or a policy of one's own;
   * default: dms where the model has gates, else full.
   */
  policy?: string | Policy;
  /** Settings beside those that `policy` names. */
  window?: number;
  cr?: number;
  budget?: number;
  threshold?: number;
  /** First positions that no cut takes: a number, the prompt, or a chat's system text. */
  protect?: number | "prompt" | "system";
  /** Extra variables of the chat template, such as { enable_thinking: false }. */
  template?: Record<string, unknown>;
  /**
   * What the spelling of a control token (`<|im_end|>`, `<think>`) is in a chat's messages that are not the assistant's: "text"
   * (default), so that a user's text cannot end its turn; or "parse", the token, as in a raw prompt and in an assistant's own turns.
   */
  controlTokens?: "text" | "parse";
  signal?: AbortSignal;
}

export interface Piece {
  /** Text that became safe to show; may be empty. */
  text: string;
  token: Token | null; // null: held-back text at the end
}

export interface GenerateResult extends Receipt {
  prompt: { text: string | null; tokens: number };
  sampling: SamplingUsed;
  bill: Bill;
}

/** Ids of a prompt, and the text that they stand for where it is known. */
export async function encodePrompt(
  session: Session,
  prompt: Prompt,
  { template, controlTokens, signal }: Pick<GenerateOptions, "template" | "controlTokens" | "signal"> = {},
): Promise<{ text: string | null; ids: number[] }> {
  checkPrompt(prompt);
  if (typeof prompt === "object" && "ids" in prompt) return { text: null, ids: [...prompt.ids] };
  const { tokenizer } = session;
  const encode = async (text: string, options: EncodeOptions) => {
    if (text.length > LONG) checkLength(tokenizer.least(text), session.runner.options.contextLength);
    return { text, ids: await tokenizer.encode(text, { ...options, signal }) };
  };
  if (typeof prompt === "object" && "raw" in prompt) return encode(prompt.raw, { special: true });
  const messages: readonly ChatMessage[] = typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt;
  const variables = { addGenerationPrompt: true, ...template };
  if (controlTokens === "parse") return encode(session.chat.render(messages, variables), { special: false });
  const { text, literal } = renderLiteral(session.chat, messages, variables, tokenizer.control);
  return encode(text, { special: false, literal });
}

/** A template would make turns of a question that is none, and the model would answer it. Untyped callers pass undefined, too. */
function checkPrompt(prompt: Prompt): void {
  const got = Array.isArray(prompt) && prompt.length === 0 ? "no messages" : typeof prompt;
  if ((typeof prompt !== "string" && (typeof prompt !== "object" || prompt === null)) || got === "no messages")
    throw new HyperthinkError(
      "bad-argument",
      `expected a question, messages, { raw: text } or { ids } as the prompt, got ${got}`,
    );
  if (typeof prompt === "string" && prompt.trim() === "")
    throw new HyperthinkError("bad-argument", "expected a question as the prompt, got an empty or a blank one");
}

/** Characters that take so long to tokenise that it is worth knowing before that they cannot fit. */
const LONG = 1 << 16;

function checkLength(least: number, contextLength: number): void {
  if (least >= contextLength)
    throw new HyperthinkError(
      "bad-argument",
      `the prompt has ${least} tokens at least: expected fewer than the context limit of ${contextLength}; shorten it or raise --context`,
    );
}

/** The policy of a prompt and its most new tokens. Throws `bad-argument` where what is protected leaves room for nothing else. */
export async function policyOf(
  session: Session,
  prompt: Prompt,
  options: GenerateOptions,
  promptTokens: number,
  tokens: number,
): Promise<Policy> {
  const spec = typeof options.policy === "string" ? parseSpec(options.policy) : null;
  const wanted = options.protect ?? spec?.options.protect;
  const kept = wanted === "system" ? await systemTokens(session, prompt, options) : wanted;
  const policy = named(session, options, kept, tokens);
  const isChat = typeof prompt === "string" || Array.isArray(prompt);
  if (kept === undefined && spec && recipeOf(spec.name).keepsPrefix && isChat)
    return keepPrefix(policy, await prefixTokens(session, prompt, options));
  const { layers, kvHeads } = session.config;
  if (kept !== undefined) checkRoom(policy, { layers, kvHeads, prompt: promptTokens, tokens });
  return policy;
}

function named(
  session: Session,
  { policy, window, cr, budget, threshold }: GenerateOptions,
  kept: number | "prompt" | undefined,
  tokens: number,
): Policy {
  const settings = { window, cr, budget, threshold };
  if (typeof policy !== "object") return session.policy(policy, { ...settings, protect: kept, tokens });
  for (const [name, value] of Object.entries(settings))
    if (value !== undefined)
      throw new HyperthinkError(
        "bad-argument",
        `${name}=${value} beside a policy object: expected its settings in the object, or a policy's name`,
      );
  const own = session.adopt(policy);
  return kept === undefined ? own : protect(own, kept);
}

/** Tokens of a chat up to the end of its system text. */
function systemTokens(session: Session, prompt: Prompt, options: GenerateOptions): Promise<number> {
  if (!Array.isArray(prompt) || prompt[0]?.role !== "system")
    throw new HyperthinkError(
      "bad-argument",
      "protect=system: expected a chat that starts with a system message (generate: --system TEXT), got none",
    );
  return prefixTokens(session, prompt, options);
}

/** Tokens of a chat before its question: what does not change with it. */
async function prefixTokens(
  session: Session,
  prompt: string | readonly ChatMessage[],
  options: GenerateOptions,
): Promise<number> {
  const system = typeof prompt !== "string" && prompt[0]?.role === "system" ? [prompt[0]] : [];
  const ids = async (question: string) =>
    (await encodePrompt(session, [...system, { role: "user", content: question }], options)).ids;
  const [a, b] = [await ids("1"), await ids("Why?")];
  const differs = a.findIndex((id, i) => id !== b[i]);
  return differs < 0 ? a.length : differs;
}

/** End ids: as asked, else the model's. Throws `bad-argument` for one that the model cannot draw. */
export function stopIdsOf({ config }: Session, asked: readonly number[] | undefined): Set<number> {
  const wrong = asked?.find((id) => !Number.isInteger(id) || id < 0 || id >= config.vocabulary);
  if (wrong !== undefined)
    throw new HyperthinkError(
      "bad-argument",
      `stop id ${wrong}: expected a token id from 0 to ${config.vocabulary - 1}`,
    );
  return new Set(asked ?? config.eosIds);
}

/** Most new tokens for a prompt: as asked, else what the context leaves. */
export function tokenLimit(session: Session, promptTokens: number, asked: number | undefined): number {
  return asked ?? Math.max(1, session.runner.options.contextLength - promptTokens);
}

/**
 * Output of one chain, streamed. Iterate it for text as it comes, or await `result`. A reader who comes late begins with one piece that
 * holds the text so far, without its tokens.
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
  const { signal } = stop;
  const { text: promptText, ids } = await encodePrompt(session, prompt, { ...options, signal });
  const maxTokens = tokenLimit(session, ids.length, options.maxTokens);
  const text = new ChainText(session.tokenizer, options.stop ?? []);
  const soFar = (): Piece => ({ text: text.text, token: null });
  const stopIds = stopIdsOf(session, options.stopIds);
  const sampling = chooseSampling(options, session.suggested.sampling, greedy);
  const policy = await policyOf(session, prompt, { ...options, signal }, ids.length, ids.length + maxTokens);
  const work = async (engine: Engine, gauge: Gauge): Promise<GenerateResult> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const spec: ChainSpec = {
      sampling,
      maxTokens,
      stopIds,
      index: 0,
      onToken: (token) => {
        pieces.push({ text: stopIds.has(token.id) ? "" : text.push(token.id), token }, soFar);
        return text.stopped;
      },
      onFinish: (_finish, error) => (error ? reject(error) : resolve()),
    };
    const group = engine.submit(ids, [spec]);
    const [chain] = group.chains;
    await stop.during(promise, () => engine.abort(chain));
    const last = text.end();
    if (last) pieces.push({ text: last, token: null }, soFar);
    return {
      ...receipt(chain, text.text),
      prompt: { text: promptText, tokens: ids.length },
      sampling,
      bill: { ...bill(group.meter, ids.length, [chain]), ...poolBill(session, gauge) },
    };
  };
  return session.with(policy, work, stop);
}

/** The pool's share of a bill. */
export const poolBill = (session: Session, gauge: Gauge): Pick<Bill, "physicalReads" | "peakPages" | "peakBytes"> => ({
  ...gauge,
  peakBytes: gauge.peakPages * session.runner.table.device.bytesPerPage,
});

/** Generates one continuation. Throws (through the iterator and `result`) `bad-argument`, `no-memory`, `aborted`. */
export const generate = (session: Session, prompt: Prompt, options: GenerateOptions = {}): Generation =>
  new Generation(session, prompt, options);
