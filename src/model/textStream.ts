import type { Tokenizer } from "./tokenizer.ts";

/**
 * Tokens that stay when the window is cut: they cover what is held back, and what decoders look at (leading spaces).
 */
const KEPT = 12;
/** Tokens decoded together at most, so that a token costs the same however long the text is. */
const WINDOW = 24;
/** Bytes that a character may still lack. */
const MISSING = 3;
const BROKEN = "\ufffd";

/** Ids to text, one by one, never splitting a character: bytes of an incomplete one are held back. */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #special: boolean;
  #ids: number[] = []; // the window: the last few tokens
  #shown = ""; // what was shown of the window's text
  #waits = 0; // tokens since the window's text last went on from what was shown

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
    const text = this.#decode(this.#ids);
    if (!text.startsWith(this.#shown)) return this.#wait(text);
    this.#waits = 0;
    // U+FFFD stands for the bytes of an incomplete character, one for all or one for each; or it is a
    // genuine one: what comes next tells.
    const broken = /\ufffd{1,3}$/.exec(text)?.[0].length ?? 0;
    const fresh = text.slice(this.#shown.length, Math.max(this.#shown.length, text.length - broken));
    this.#shown += fresh;
    if (this.#ids.length >= WINDOW) this.#cut(text);
    return fresh;
  }

  /** What is still held back; an incomplete character as U+FFFD. */
  end(): string {
    const text = this.#decode(this.#ids);
    if (this.#ids.length === 0) return "";
    return text.startsWith(this.#shown) ? text.slice(this.#shown.length) : BROKEN;
  }

  #decode(ids: readonly number[]): string {
    return this.#tokenizer.decode(ids, { special: this.#special });
  }

  /**
   * Some decoders take all bytes in a row for broken while the last character is incomplete, those that were shown
   * whole too. They come right with it. If they do not, the bytes were no text: one U+FFFD is shown for them.
   */
  #wait(text: string): string {
    if (text.endsWith(BROKEN) && ++this.#waits <= MISSING) return "";
    this.#waits = 0;
    const fresh = BROKEN + text.slice(text.lastIndexOf(BROKEN) + 1);
    this.#ids = this.#ids.slice(-1);
    this.#shown = this.#decode(this.#ids);
    return fresh;
  }

  /** Drops old tokens, between characters; what is held back lies within the rest. */
  #cut(text: string): void {
    const held = text.length - this.#shown.length;
    const tails = Array.from({ length: MISSING + 1 }, (_, i) => this.#ids.slice(-KEPT - i));
    this.#ids = tails.find((ids) => text.endsWith(this.#decode(ids))) ?? tails[0];
    const tail = this.#decode(this.#ids);
    this.#shown = tail.slice(0, Math.max(0, tail.length - held));
  }
}
