import { TextStream } from "../model/textStream.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import { StopMatcher } from "./stop-strings.ts";

/**
 * A chain's ids as text that is safe to show: whole characters, nothing of a stop string. Stop strings are sought in
 * the text with its special tokens, whether these are shown or not.
 */
export class ChainText {
  text = "";
  stopped = false;
  readonly #tokenizer: Tokenizer;
  readonly #decoder: TextStream;
  readonly #stops: StopMatcher;
  readonly #showsSpecial: boolean;
  /** Characters that went into the matcher, and that came out of it. */
  #given = 0;
  #taken = 0;
  /** Where special tokens lie, in those characters, that are not to be shown; only ones that have not come out yet. */
  #hidden: { from: number; to: number }[] = [];

  constructor(tokenizer: Tokenizer, stops: readonly string[], { special = false }: { special?: boolean } = {}) {
    this.#tokenizer = tokenizer;
    this.#showsSpecial = special;
    this.#decoder = new TextStream(tokenizer, { special });
    this.#stops = new StopMatcher(stops);
  }

  /** Text that this id completes; empty while a character or a possible stop string is incomplete. */
  push(id: number): string {
    if (this.#showsSpecial || !this.#tokenizer.special.has(id)) return this.#match(this.#decoder.push(id));
    const name = this.#tokenizer.decode([id], { special: true });
    this.#hidden.push({ from: this.#given, to: this.#given + name.length });
    return this.#match(name);
  }

  /** What was held back, once no more ids come. */
  end(): string {
    if (this.stopped) return "";
    const last = this.#match(this.#decoder.end());
    return last + this.#show({ text: this.#stops.end(), stopped: this.stopped });
  }

  #match(piece: string): string {
    this.#given += piece.length;
    return this.#show(this.#stops.push(piece));
  }

  /** What the matcher let out, without the special tokens that are not to be shown. */
  #show({ text, stopped }: { text: string; stopped: boolean }): string {
    let shown = "";
    const end = this.#taken + text.length;
    let at = this.#taken;
    while (this.#hidden.length && this.#hidden[0].from < end) {
      const [{ from, to }] = this.#hidden;
      if (from > at) shown += text.slice(at - this.#taken, from - this.#taken);
      at = Math.min(to, end);
      if (to > end) break;
      this.#hidden.shift();
    }
    shown += text.slice(at - this.#taken);
    this.#taken = end;
    this.text += shown;
    this.stopped = stopped;
    return shown;
  }
}
