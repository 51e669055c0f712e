import { Tokenizer as Library } from "@huggingface/tokenizers";
import { HyperthinkError } from "../base/errors.ts";
import type { Source } from "./source.ts";

export interface Tokenizer {
  /** Ids of a text; `special` adds what the tokenizer puts around a text (such as a start token). */
  encode(text: string, options: { special: boolean }): number[];
  /** Text of ids, special tokens left out unless asked for. Incomplete characters come out as U+FFFD. */
  decode(ids: readonly number[], options?: { special?: boolean }): string;
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
  try {
    library = new Library(json as object, config as object);
    library.encode("a");
  } catch (error) {
    throw new HyperthinkError(
      "bad-file",
      `${source.path}/tokenizer.json: not a tokenizer that can be read: ${(error as Error).message}`,
    );
  }
  return {
    encode: (text, { special }) => library.encode(text, { add_special_tokens: special }).ids,
    decode: (ids, options) =>
      ids.length === 0
        ? ""
        : library.decode([...ids], { skip_special_tokens: !options?.special, clean_up_tokenization_spaces: false }),
  };
}

/** Tokens decoded together: enough context for decoders that look at their neighbours (leading spaces), and a fixed cost a token. */
const TAIL = 8;

/** Ids to text, one by one, never splitting a character: bytes of an incomplete one are held back. */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #special: boolean;
  #ids: number[] = []; // a few tokens that were shown, then those that are held back
  #shown = ""; // text of the ids at the front that were shown
  #shownIds = 0;

  /** `special`: show special tokens too, such as the tags of thinking where a model has them so. */
  constructor(tokenizer: Tokenizer, { special = false }: { special?: boolean } = {}) {
    this.#tokenizer = tokenizer;
    this.#special = special;
  }

  /** Text that `id` completes. */
  push(id: number): string {
    this.#ids.push(id);
    const text = this.#tokenizer.decode(this.#ids, { special: this.#special });
    // A genuine U+FFFD in the output looks the same as an incomplete character: it is held back for at most 4 tokens, as no
    // character has more than 4 bytes.
    if (text.endsWith("\ufffd") && this.#ids.length - this.#shownIds < 4) return "";
    return this.#show(text);
  }

  /** What is still held back; an incomplete character as U+FFFD. */
  end(): string {
    return this.#ids.length > this.#shownIds
      ? this.#show(this.#tokenizer.decode(this.#ids, { special: this.#special }))
      : "";
  }

  #show(text: string): string {
    const fresh = text.slice(this.#shown.length);
    this.#ids = this.#ids.slice(-TAIL);
    this.#shownIds = this.#ids.length;
    this.#shown = this.#tokenizer.decode(this.#ids, { special: this.#special });
    return fresh;
  }
}
