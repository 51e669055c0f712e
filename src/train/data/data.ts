// Pieces from a user's files.
import { badArgument, badFile, HyperthinkError } from "../../base/errors.ts";
import { placeOf } from "../disk/fingerprint.ts";
import { documentsOf, type Found } from "./documents.ts";
import { dataFiles } from "./files.ts";
import type { Pieces } from "./pieces.ts";
import { type Reader, type Spelled, type SpellOptions, spell, type Text } from "./spelled.ts";
import { PieceStore } from "./store.ts";

export interface DataOptions extends SpellOptions {
  /** Tokens of a piece, at most. */
  length: number;
  /** A longer document becomes pieces of `length` in a row (default), or loses what is beyond the first. */
  overflow?: "cut" | "drop";
  /** Leaves bad lines out and counts them in a note, instead of throwing. */
  skipBadLines?: boolean;
  /** Id of a token that ends plain texts and completions where none does yet, such as the model's end token. */
  end?: number;
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  signal?: AbortSignal;
}

/** A session is one. Its model has embeddings for ids below `vocabulary`. */
export interface DataModel extends Reader {
  readonly config: { readonly vocabulary: number };
}

/** Characters that are tokenised together. */
const BATCH = 1 << 18;
const SHOWN = 5;

/**
 * Pieces of .txt and .jsonl files, or folders of them, in their order; notes say what was cut or left out. Plain text,
 * prompts and completions are read as they are, like a raw prompt: control tokens that they spell are tokens. Throws
 * `bad-file` naming the first bad lines (no JSON, no known form, nothing to learn, a chat that the template refuses, a
 * token that the model has not), for files too large (`dataFiles`), where nothing is left to learn; `aborted`.
 */
export async function loadPieces(
  paths: readonly string[],
  model: DataModel,
  options: DataOptions,
): Promise<{ pieces: Pieces; notes: string[] }> {
  const { length } = options;
  if (!Number.isInteger(length) || length < 2)
    throw badArgument(`expected pieces of 2 tokens or more, got a length of ${length}`);
  const files = await dataFiles(paths);
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  const loader = new Loader(model, options);
  let before = 0;
  for (const file of files) {
    for await (const found of documentsOf(file)) {
      await loader.take(found);
      options.onProgress?.(Math.min(total, before + found.read), total);
    }
    before += file.bytes;
  }
  await loader.flush();
  options.onProgress?.(total, total);
  return loader.finish(files.map(({ path }) => path));
}

class Loader {
  readonly #model: DataModel;
  readonly #options: DataOptions;
  readonly #store: PieceStore;
  #waiting: { found: Found; spelled: Spelled }[] = [];
  #characters = 0;
  #documents = 0;
  #long = 0;
  #idle = 0;
  #faults = 0;
  readonly #shown: string[] = [];

  constructor(model: DataModel, options: DataOptions) {
    this.#model = model;
    this.#options = options;
    this.#store = new PieceStore(options.learn === "assistant");
  }

  async take(found: Found): Promise<void> {
    const { signal } = this.#options;
    if (signal?.aborted) throw new HyperthinkError("aborted", "reading the data was aborted", { cause: signal.reason });
    const spelled = this.#spell(found);
    if (spelled === null || this.#isLost) return;
    this.#waiting.push({ found, spelled });
    for (const { text } of textsOf(spelled)) this.#characters += text.length;
    if (this.#characters >= BATCH) await this.flush();
  }

  #spell(found: Found): Spelled | null {
    const { content } = found;
    try {
      if (content.kind !== "fault") return spell(content, this.#model, this.#options);
      this.#fault(found, content.why);
    } catch (error) {
      this.#fault(found, refusal(error));
    }
    return null;
  }

  /** Tokenises what waits. */
  async flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#characters = 0;
    if (this.#isLost || waiting.length === 0) return;
    const texts = waiting.map(({ spelled }) => textsOf(spelled));
    const encoded = await this.#encode(texts.flat()).catch((error) => {
      refusal(error); // one of them is at fault: found below
      return null;
    });
    let next = 0;
    for (const [i, { found, spelled }] of waiting.entries()) {
      const own = encoded?.slice(next, next + texts[i].length) ?? (await this.#encode(texts[i]).catch(refusal));
      next += texts[i].length;
      if (typeof own === "string") this.#fault(found, own);
      else this.#put(found, spelled, own);
    }
  }

  #encode(texts: Text[]): Promise<number[][]> {
    return this.#model.tokenizer.encodeAll(texts, this.#options.signal);
  }

  #put(found: Found, { whole, spans }: Spelled, [ids, ...parts]: number[][]): void {
    const { length, overflow, end } = this.#options;
    const { vocabulary } = this.#model.config;
    if (end !== undefined && found.content.kind !== "chat" && ids.at(-1) !== end) ids.push(end);
    const wrong = ids.find((id) => id >= vocabulary);
    if (wrong !== undefined) {
      this.#fault(found, `expected tokens below ${vocabulary}, as many as the model knows, got token ${wrong}`);
      return;
    }
    const learn = spans && new Uint8Array(ids.length);
    for (const { through } of spans ?? []) {
      const from = shared(ids, parts.shift()!);
      learn!.fill(1, from, through ? shared(ids, parts.shift()!) : ids.length);
    }
    this.#documents++;
    if (ids.length > length) this.#long++;
    const until = overflow === "drop" ? Math.min(length, ids.length) : ids.length;
    for (let from = 0; from < until; from += length) {
      const to = Math.min(from + length, until);
      // The first token of a piece has nothing before it to be predicted from.
      if (to - from > 1 && (!learn || learn.subarray(from + 1, to).includes(1))) this.#store.add(ids, learn, from, to);
      else this.#idle++;
    }
    this.#store.endDocument(placeOf(whole.text));
  }

  #fault({ path, line }: Found, why: string): void {
    if (this.#faults++ < SHOWN) this.#shown.push(`${path}, line ${line}: ${why}`);
  }

  /** Bad lines are an error: what else comes is looked at for others of them only. */
  get #isLost(): boolean {
    return this.#faults > 0 && !this.#options.skipBadLines;
  }

  finish(paths: readonly string[]): { pieces: Pieces; notes: string[] } {
    const { length, overflow } = this.#options;
    const more = this.#faults - this.#shown.length;
    const faults = `${this.#shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
    const of = paths.length === 1 ? paths[0] : `${paths.length} files`;
    if (this.#isLost)
      throw badFile(
        `${of}: ${plural(this.#faults, "bad line")}: ${faults}; mend them, or have bad lines skipped (--skip-bad-lines)`,
      );
    if (this.#store.count === 0)
      throw badFile(
        `${of}: expected something to learn, got none in ${plural(this.#documents, "document")}${faults && `; skipped: ${faults}`}`,
      );
    const notes: string[] = [];
    if (this.#faults) notes.push(`${of}: ${plural(this.#faults, "bad line")} skipped: ${faults}`);
    if (this.#long)
      notes.push(
        `${of}: ${plural(this.#long, "document")} of more than ${length} tokens: ${overflow === "drop" ? "what is beyond them was dropped" : "cut into pieces"}`,
      );
    if (this.#idle) notes.push(`${of}: ${plural(this.#idle, "piece")} in which nothing is to be predicted, left out`);
    const { count, tokens } = this.#store;
    const description = `${of}: ${plural(this.#documents, "document")}, ${plural(tokens, "token")} in ${plural(count, "piece")}`;
    return { pieces: this.#store.pieces(description), notes };
  }
}

const textsOf = ({ whole, spans }: Spelled): Text[] => [
  whole,
  ...(spans ?? []).flatMap(({ before, through }) => (through ? [before, through] : [before])),
];

/** How many tokens two lists begin with alike. */
function shared(a: readonly number[], b: readonly number[]): number {
  const differs = b.findIndex((id, i) => id !== a[i]);
  return differs < 0 ? b.length : differs;
}

/** What a template or a tokenizer has against a document. Throws what ends all. */
function refusal(error: unknown): string {
  if (error instanceof HyperthinkError && ["bad-argument", "bad-file"].includes(error.code)) return error.message;
  throw error;
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
