import type { Tokenizer } from "../model/tokenizer.ts";
import { TextStream } from "../model/tokenizer.ts";
import { StopMatcher } from "./stream.ts";

/** A chain's ids as text that is safe to show: whole characters, nothing of a stop string. */
export class ChainText {
  text = "";
  stopped = false;
  readonly #decoder: TextStream;
  readonly #stops: StopMatcher;

  constructor(tokenizer: Tokenizer, stops: readonly string[], options: { special?: boolean } = {}) {
    this.#decoder = new TextStream(tokenizer, options);
    this.#stops = new StopMatcher(stops);
  }

  /** Text that this id completes; empty while a character or a possible stop string is incomplete. */
  push(id: number): string {
    return this.#take(this.#stops.push(this.#decoder.push(id)));
  }

  /** What was held back, once no more ids come. */
  end(): string {
    if (this.stopped) return "";
    const last = this.#take(this.#stops.push(this.#decoder.end()));
    return last + this.#take({ text: this.#stops.end(), stopped: this.stopped });
  }

  #take({ text, stopped }: { text: string; stopped: boolean }): string {
    this.text += text;
    this.stopped = stopped;
    return text;
  }
}
