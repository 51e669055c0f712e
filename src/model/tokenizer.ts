import { Tokenizer as Library } from "@huggingface/tokenizers";
import { HyperthinkError } from "../base/errors.ts";
import { brief } from "./brief.ts";
import type { Source } from "./source.ts";
import { refuseUnread } from "./unread.ts";

export interface Tokenizer {
  /** Ids of a text; `special` adds what the tokenizer puts around a text (such as a start token). */
  encode(text: string, options: { special: boolean }): number[];
  /** Text of ids, special tokens left out unless asked for. Incomplete characters come out as U+FFFD, ids of no token as nothing. */
  decode(ids: readonly number[], options?: { special?: boolean }): string;
  /**
   * One more than the highest id. A model's vocabulary is often padded beyond that. Where it is smaller (a padding token that was
   * added and never trained), the model loads, and a prompt that needs such an id is refused by the engine, by the id.
   */
  readonly size: number;
  /** Whether an id stands for a token. */
  has(id: number): boolean;
  /** Ids that `decode` leaves out unless asked. */
  readonly special: ReadonlySet<number>;
}

/** Throws `bad-file` where tokenizer.json is missing or not one. */
export async function loadTokenizer(source: Source): Promise<Tokenizer> {
  const json = await source.json("tokenizer.json");
  if (json === null)
    throw new HyperthinkError(
      "bad-file",
      `${source.path}: expected tokenizer.json, found none; copy it from the base model's folder`,
    );
  const config = (await source.json("tokenizer_config.json")) ?? {};
  let library: Library;
  let ids: ReturnType<typeof idsOf>;
  try {
    refuseUnread(json);
    library = new Library(json as object, config as object);
    ids = idsOf(json);
    library.encode("a");
  } catch (error) {
    throw new HyperthinkError(
      "bad-file",
      `${source.path}/tokenizer.json: not a tokenizer that can be read: ${(error as Error).message}`,
    );
  }
  return {
    ...ids,
    encode: (text, { special }) => library.encode(text, { add_special_tokens: special }).ids,
    decode(all, options) {
      // For the library an id of no token is a fault in some decoders and nothing in others.
      const known = all.filter(ids.has);
      const settings = { skip_special_tokens: !options?.special, clean_up_tokenization_spaces: false };
      return known.length === 0 ? "" : library.decode(known, settings);
    },
  };
}

const KINDS: unknown[] = ["BPE", "Unigram", "WordPiece"];
const MOST_TOKENS = 1 << 24;

/** Throws for a kind that the library does not know, or a token without a proper id: it would go on, and make ids of null. */
function idsOf(json: unknown): Pick<Tokenizer, "size" | "has" | "special"> {
  const { model, added_tokens: added = [] } = json as {
    model: { type?: unknown; merges?: unknown; vocab: unknown[] | Record<string, number> };
    added_tokens?: { id: number; special?: boolean }[];
  };
  const kind = model.type ?? (model.merges ? "BPE" : undefined); // old files leave it out
  if (!KINDS.includes(kind)) throw new Error(`its model has type ${brief(kind)}; expected ${KINDS.join(", ")}`);
  const tokens = new Set(Array.isArray(model.vocab) ? model.vocab.keys() : Object.values(model.vocab));
  for (const { id } of added) tokens.add(id);
  let size = 0;
  for (const id of tokens) {
    if (!Number.isInteger(id) || id < 0 || id >= MOST_TOKENS)
      throw new Error(`a token has id ${brief(id)}; expected a whole number from 0 to ${MOST_TOKENS - 1}`);
    size = Math.max(size, id + 1);
  }
  if (size === 0) throw new Error("it has no tokens");
  return {
    size,
    has: (id) => tokens.has(id),
    special: new Set(added.filter(({ special }) => special).map(({ id }) => id)),
  };
}

/** Tokens that stay when the window is cut: they cover what is held back, and what decoders look at (leading spaces). */
const KEPT = 12;
/** Tokens decoded together at most, so that a token costs the same however long the text is. */
const WINDOW = 24;

/** Ids to text, one by one, never splitting a character: bytes of an incomplete one are held back. */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #special: boolean;
  #ids: number[] = []; // the window: the last few tokens
  #shown = 0; // characters of the window's text that were shown

  /** `special`: show special tokens too, such as the tags of thinking where a model has them so. */
  constructor(tokenizer: Tokenizer, { special = false }: { special?: boolean } = {}) {
    this.#tokenizer = tokenizer;
    this.#special = special;
  }

  /** Text that `id` completes. */
  push(id: number): string {
    // Ids without text would fill the window and push an incomplete character out of it.
    if (!this.#tokenizer.has(id) || (!this.#special && this.#tokenizer.special.has(id))) return "";
    this.#ids.push(id);
    const text = this.#decode();
    // One U+FFFD stands for all bytes of an incomplete character; or it is a genuine one: what comes next tells.
    const fresh = this.#show(text, text.endsWith("\ufffd") ? text.length - 1 : text.length);
    if (this.#ids.length >= WINDOW) this.#cut(text);
    return fresh;
  }

  /** What is still held back; an incomplete character as U+FFFD. */
  end(): string {
    const text = this.#decode();
    return this.#show(text, text.length);
  }

  #decode(): string {
    return this.#tokenizer.decode(this.#ids, { special: this.#special });
  }

  #show(text: string, until: number): string {
    const fresh = text.slice(this.#shown, until);
    this.#shown = Math.max(this.#shown, until);
    return fresh;
  }

  /** Drops old tokens; what is held back lies within the rest. */
  #cut(text: string): void {
    const held = text.length - this.#shown;
    const ids = this.#ids.slice(-KEPT);
    const tail = this.#tokenizer.decode(ids, { special: this.#special });
    this.#ids = ids;
    this.#shown = Math.max(0, tail.length - held);
  }
}
