import { freemem, totalmem } from "node:os";
import { badArgument } from "../base/errors.ts";
import { cpu, cpuAvailable } from "../device/cpu.ts";
import type { Device, KvFormat, WeightFormat } from "../device/device.ts";
import { reference } from "../device/reference.ts";
import { Engine } from "../engine/engine.ts";
import { Runner } from "../engine/runner.ts";
import { openAdapters } from "../model/adapters.ts";
import { type ChatTemplate, loadChat, replyOpening } from "../model/chat.ts";
import type { ModelConfig } from "../model/config.ts";
import { endsOf } from "../model/ends.ts";
import { defaultDtype, loadConfig, loadWeights } from "../model/load.ts";
import { addProbe } from "../model/probe.ts";
import { openSource } from "../model/source.ts";
import { loadTokenizer, type Tokenizer } from "../model/tokenizer.ts";
import type { Weights } from "../model/weights.ts";
import { checkPolicy } from "../policy/check.ts";
import { makePolicy, recipes } from "../policy/index.ts";
import type { Policy, PolicyOptions, Trained } from "../policy/policy.ts";
import { parseSpec } from "../policy/spec.ts";
import type { Stop } from "./stop.ts";
import { type Suggested, suggestedSampling } from "./suggested.ts";

export interface LoadOptions {
  /** A Hugging Face folder, or a .safetensors file with config.json beside it. */
  model: string;
  /**
   * Folders with DMS gates, a PEFT LoRA, or both, laid over the model: LoRAs add up and are merged into the weights;
   * gates come of one folder.
   */
  adapter?: string | readonly string[];
  /** A folder with a KVzap probe for this model (nvidia/KVzap-*), for the policy kvzap. */
  probe?: string;
  /** Default: cpu where its addon is built, else reference. */
  device?: "cpu" | "reference";
  threads?: number;
  /** Type of weights in memory; default: bf16 where the checkpoint is bf16, else f32. */
  weights?: WeightFormat;
  /** Type of keys and values; default bf16. */
  kv?: KvFormat;
  /** Bytes of the page pool; default: half of the free memory, at most 2 GiB. Pages are touched only when used. */
  kvMemory?: number;
  /** Most tokens of one chain, prompt included; default: the model's. */
  context?: number;
  /** Most chains that run at a time; others wait. Default 64. */
  chains?: number;
  /** Prompt tokens per pass; logits depend on it in the last bits. Default 256. */
  chunk?: number;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

const DEFAULT_KV = 2 * 1024 ** 3;
/** Prompts that are kept beside the running chains; more of them wait. */
const ROOTS = 8;

/** Bytes that this machine, or the container that it runs in, has. */
export const machineMemory = (): number =>
  Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);

/** The device that options name, or the fastest that is there. */
export function openDevice(name?: LoadOptions["device"], threads?: number): Device {
  if (name === "reference") return reference();
  if (name === "cpu" || cpuAvailable() === null) return cpu({ threads });
  return reference();
}

/** A model on a device, with a cache: what `generate` and `scale` run on. Close it, or hold it with `await using`. */
export class Session implements AsyncDisposable {
  readonly config: ModelConfig;
  readonly device: Device;
  readonly runner: Runner;
  readonly engine: Engine;
  /** What a user should know of this model and what is no error, such as tensors that are not used. */
  readonly notes: readonly string[];
  /** Sampling of the checkpoint's generation_config.json: the default of `generate` and `scale`. */
  readonly suggested: Suggested;
  readonly #tokenizer: Tokenizer | Error;
  readonly #chat: ChatTemplate | Error;
  readonly #spoken: Trained["spoken"];
  readonly #calls = new Map<Stop, Promise<unknown>>(); // that wait or run
  #closed: Promise<void> | null = null;

  constructor(
    parts: {
      device: Device;
      config: ModelConfig;
      weights: Weights;
      tokenizer: Tokenizer | Error;
      chat: ChatTemplate | Error;
      notes: readonly string[];
      suggested: Suggested;
      endIds: number[];
      spoken: Trained["spoken"];
    },
    options: LoadOptions,
  ) {
    const { device, weights } = parts;
    const config = { ...parts.config, eosIds: parts.endIds };
    this.device = device;
    this.config = config;
    this.suggested = parts.suggested;
    this.#tokenizer = parts.tokenizer;
    this.#chat = parts.chat;
    this.notes = parts.notes;
    this.#spoken = parts.spoken;
    const chains = whole("chains", options.chains ?? 64, 1, 1024);
    const sets = chains + ROOTS;
    const chunk = whole("chunk", options.chunk ?? 256, 1, 65536);
    const context = whole("context", options.context ?? config.contextLength, 2, config.contextLength);
    const kvBytes = options.kvMemory ?? Math.min(DEFAULT_KV, Math.floor(freemem() / 2));
    if (!(kvBytes > 0 && Number.isFinite(kvBytes)))
      throw badArgument(`--kv-memory must be a positive number of bytes, got ${options.kvMemory}`);
    this.runner = new Runner(
      device,
      { config, weights },
      {
        kv: options.kv ?? "bf16",
        kvBytes,
        chains,
        sets,
        contextLength: context,
        chunk,
        rows: chunk + sets + 64,
        logitRows: sets + 1,
        samplers: 1024,
      },
    );
    this.engine = new Engine(this.runner);
  }

  get tokenizer(): Tokenizer {
    if (this.#tokenizer instanceof Error) throw this.#tokenizer;
    return this.#tokenizer;
  }

  get chat(): ChatTemplate {
    if (this.#chat instanceof Error) throw this.#chat;
    return this.#chat;
  }

  /** A policy for this model, by name or as `name:setting=value,...`; without: dms where it has gates, else full. */
  policy(spec?: string, options: PolicyOptions = {}): Policy {
    if (spec === undefined) return makePolicy(undefined, this.trained, options);
    const parsed = parseSpec(spec);
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    for (const [key, value] of given) {
      const said = parsed.options[key as keyof PolicyOptions];
      // A system text is counted where its chat is known: the number stands for the word.
      if (said !== undefined && said !== value && said !== "system")
        throw badArgument(`policy ${spec}: ${key} is given twice, as ${said} and as ${value}`);
    }
    return makePolicy(parsed.name, this.trained, { ...parsed.options, ...Object.fromEntries(given) });
  }

  /** A policy of the caller's own. Throws `bad-argument` where it does not fit this model. */
  check(policy: Policy): Policy {
    return checkPolicy(policy, this.trained);
  }

  /** What policies are told of this model. */
  get trained(): Trained {
    const probe = this.runner.model.weights.layers.every((layer) => layer.probe !== null);
    return { layers: this.config.layers, dms: this.config.dms, probe, spoken: this.#spoken };
  }

  /** Runs a call that closing the session ends. Throws `bad-argument` where it is closed already. */
  async during<T>(stop: Stop, call: () => Promise<T>): Promise<T> {
    if (this.#closed) throw badArgument("this session is closed");
    const running = call();
    this.#calls.set(stop, running);
    try {
      return await running;
    } finally {
      this.#calls.delete(stop);
    }
  }

  /** Ends what runs at its next step (its result rejects with `aborted`), and frees the device. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const stop of this.#calls.keys()) stop.close();
    await Promise.allSettled(this.#calls.values());
    await this.engine.idle();
    this.device.close();
    if (!(this.#tokenizer instanceof Error)) this.#tokenizer.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function whole(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw badArgument(`--${name} must be a whole number from ${least} to ${most}, got ${value}`);
  return value;
}

/**
 * Loads a model: weights stream into the device, which holds them once. Throws `bad-file`, `bad-model`, `unsupported`,
 * `no-memory`.
 */
export async function load(options: LoadOptions): Promise<Session> {
  if (typeof options?.model !== "string")
    throw badArgument(`expected { model: FOLDER }, got model ${typeof options?.model}`);
  const source = await openSource(options.model);
  const { gates, loras } = await openAdapters(options.adapter);
  const notes: string[] = [];
  const note = (text: string) => notes.push(text);
  const config = await loadConfig(source, gates, note);
  const device = openDevice(options.device, options.threads);
  const opening = loadTokenizer(source).catch((error: Error) => error); // while the weights come
  try {
    const weights = await loadWeights(device, config, source, {
      weights: options.weights ?? (await defaultDtype(source)),
      memory: machineMemory(),
      adapter: gates,
      loras,
      note,
      onProgress: options.onProgress,
      signal: options.signal,
    });
    if (options.probe) await addProbe(device, config, weights, await openSource(options.probe));
    const tokenizer = await opening;
    const chat = await loadChat(source).catch((error: Error) => error);
    if (!(chat instanceof Error)) notes.push(...chat.notes);
    const suggested = suggestedSampling(await source.json("generation_config.json"));
    const endIds = await endsOf(config, source, tokenizer, chat, note);
    const spoken = tokenizer instanceof Error ? undefined : await speak(tokenizer, chat);
    return new Session({ device, config, weights, tokenizer, chat, notes, suggested, endIds, spoken }, options);
  } catch (error) {
    device.close();
    const tokenizer = await opening;
    if (!(tokenizer instanceof Error)) tokenizer.close();
    throw error;
  }
}

/** Ids of the texts that policies put to a model. */
async function speak(tokenizer: Tokenizer, chat: ChatTemplate | Error): Promise<Trained["spoken"]> {
  const ids = (text: string) => tokenizer.encode(text, { special: false });
  const texts = new Map<string, readonly number[]>();
  for (const text of recipes.flatMap((recipe) => recipe.texts ?? [])) texts.set(text, await ids(text));
  return { texts, reply: chat instanceof Error ? [] : await ids(replyOpening(chat)) };
}
