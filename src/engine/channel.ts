import { HyperthinkError } from "../base/errors.ts";

/**
 * A queue from the engine's callbacks to one async reader, who may come late, leave early or never come. Until the reader comes, items of
 * one lane are merged into one, so that output which nobody reads does not pile up.
 */
export class Channel<T extends object> implements AsyncIterable<T> {
  readonly #merge: (before: T, next: T) => T;
  readonly #onLeave: () => void;
  #newest: T[] = [];
  #oldest: T[] = []; // in reverse: the next to be read is the last
  #merged: Map<number, number> | null = new Map(); // lane -> index in #newest; null once there is a reader
  #waiting: PromiseWithResolvers<IteratorResult<T, undefined>>[] = []; // calls of next() that have no item yet
  #ended = false;
  #error: unknown = null;

  constructor(merge: (before: T, next: T) => T, onLeave: () => void) {
    this.#merge = merge;
    this.#onLeave = onLeave;
  }

  push(item: T, lane?: number): void {
    if (this.#ended) return;
    const next = this.#waiting.shift();
    if (next) {
      next.resolve({ value: item, done: false });
      return;
    }
    if (this.#merged && lane !== undefined) {
      const at = this.#merged.get(lane);
      if (at !== undefined) {
        this.#newest[at] = this.#merge(this.#newest[at], item);
        return;
      }
      this.#merged.set(lane, this.#newest.length);
    }
    this.#newest.push(item);
  }

  /** No more items; with an error, the reader gets it after those that are queued. */
  end(error: unknown = null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (this.#error) reject(this.#error);
      else resolve({ value: undefined, done: true });
      this.#error = null;
    }
  }

  /** The one reader. Throws `bad-argument` for a second. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    if (!this.#merged)
      throw new HyperthinkError(
        "bad-argument",
        "this output has a reader already: expected one loop over it; await `result` for the whole, or make the call again",
      );
    this.#merged = null;
    // Not a generator: its return() would wait for a pending next(), and would not run at all before the first one.
    const reader: AsyncIterableIterator<T> = {
      next: () => this.#next(),
      return: async () => {
        this.#leave();
        return { value: undefined, done: true };
      },
      [Symbol.asyncIterator]: () => reader,
    };
    return reader;
  }

  async #next(): Promise<IteratorResult<T, undefined>> {
    if (this.#oldest.length === 0) {
      this.#oldest = this.#newest.reverse();
      this.#newest = [];
    }
    const value = this.#oldest.pop();
    if (value) return { value, done: false };
    if (this.#ended) {
      const error = this.#error;
      this.#error = null;
      if (error) throw error;
      return { value: undefined, done: true };
    }
    const next = Promise.withResolvers<IteratorResult<T, undefined>>();
    this.#waiting.push(next);
    return next.promise;
  }

  #leave(): void {
    const early = !this.#ended;
    this.#newest = [];
    this.#oldest = [];
    this.end();
    this.#error = null;
    if (early) this.#onLeave();
  }
}
