import { Tokenizer as Library } from "@huggingface/tokenizers";
import { HyperthinkError } from "../base/errors.ts";
import type { Source } from "./source.ts";

export interface Tokenizer {
  /** Ids of a text; `special` adds what the tokenizer puts around a text (such as a start token). */
  encode(text: string, options: { special: boolean }): number[];
  /** Text of ids, special tokens left out unless asked for. Incomplete characters come out as U+FFFD. */
  decode(ids: readonly number[], options?: { special?: boolean }): string;
  /** Ids that stand for a token: 0 .. size - 1. A model's vocabulary is often padded beyond that; such ids decode to nothing. */
  readonly size: number;
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
    library = new Library(json as object, config as object);
    library.encode("a");
    ids = idsOf(json);
  } catch (error) {
    throw new HyperthinkError(
      "bad-file",
      `${source.path}/tokenizer.json: not a tokenizer that can be read: ${(error as Error).message}`,
    );
  }
  return {
    ...ids,
    encode: (text, { special }) => library.encode(text, { add_special_tokens: special }).ids,
    decode: (ids, options) =>
      ids.length === 0
        ? ""
        : library.decode([...ids], { skip_special_tokens: !options?.special, clean_up_tokenization_spaces: false }),
  };
}

function idsOf(json: unknown): Pick<Tokenizer, "size" | "special"> {
  const { model, added_tokens: added = [] } = json as {
    model: { vocab: unknown[] | Record<string, number> };
    added_tokens?: { id: number; special?: boolean }[];
  };
  const ids = Array.isArray(model.vocab) ? [model.vocab.length - 1] : Object.values(model.vocab);
  const size = [...ids, ...added.map(({ id }) => id)].reduce((most, id) => Math.max(most, id), -1) + 1;
  return { size, special: new Set(added.filter(({ special }) => special).map(({ id }) => id)) };
}

/** Most U+FFFD that an incomplete character decodes to: its bytes but the last, one each or all in one. */
const MOST_OPEN = 3;
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
    if (id >= this.#tokenizer.size || (!this.#special && this.#tokenizer.special.has(id))) return "";
    this.#ids.push(id);
    const text = this.#decode();
    // A U+FFFD at the end may be a character that is still incomplete, or a genuine one: what comes next tells.
    let until = text.length;
    while (text.length - until < MOST_OPEN && text[until - 1] === "\ufffd") until--;
    const fresh = this.#show(text, until);
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
