import { Channel } from "./channel.ts";
import { Stop } from "./stop.ts";

/**
 * What a call puts out: items as they come, for one reader, and a `result`. Leaving the loop over the items (break,
 * return, an error in its body, `destroy()` of a stream made from it) ends the chains at the next step; `result` is
 * then what there was, with `finish` "aborted". A call that is left before its chains began (it waits for another
 * policy's work) rejects with `aborted`. An error goes to the reader and to `result`; nobody needs to look at either.
 * Text that came before somebody asked for the iterator comes in one item.
 */
export class Output<T extends object, R> implements AsyncIterable<T> {
  readonly result: Promise<R>;
  readonly #items: Channel<T>;

  constructor(run: (items: Channel<T>, stop: Stop) => Promise<R>, signal: AbortSignal | undefined) {
    const stop = new Stop(signal);
    this.#items = new Channel(() => stop.leave());
    this.result = run(this.#items, stop).finally(() => stop.release());
    this.result.then(
      () => this.#items.end(),
      (error) => this.#items.end(error),
    );
  }

  /** Throws `bad-argument` where there is a reader already. */
  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.#items[Symbol.asyncIterator]();
  }
}
