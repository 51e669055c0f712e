import { badArgument } from "../base/errors.ts";

/**
 * A queue from the engine's callbacks to one async reader, who may come late, leave early or never come. Output that
 * nobody reads does not pile up: until the reader comes, items of one source are left out, and it gets what the source
 * tells of them then.
 */
export class Channel<T extends object> implements AsyncIterable<T> {
  readonly #onLeave: () => void;
  #newest: (T | (() => T))[] = [];
  #oldest: T[] = []; // in reverse: the next to be read is the last
  #sources: Set<() => T> | null = new Set(); // those in #newest; null once there is a reader
  #waiting: PromiseWithResolvers<IteratorResult<T, undefined>>[] = []; // calls of next() that have no item yet
  #ended = false;
  #error: unknown = null;

  constructor(onLeave: () => void) {
    this.#onLeave = onLeave;
  }

  /** `soFar` is the item's source: it gives one item that stands for all of its items until now. */
  push(item: T, soFar?: () => T): void {
    if (this.#ended) return;
    const next = this.#waiting.shift();
    if (next) next.resolve({ value: item, done: false });
    else if (!this.#sources || !soFar) this.#newest.push(item);
    else if (!this.#sources.has(soFar)) {
      this.#sources.add(soFar);
      this.#newest.push(soFar);
    }
  }

  /** No more items; with an error, the reader gets it after those that are queued. */
  end(error: unknown = null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#tell();
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (this.#error) reject(this.#error);
      else resolve({ value: undefined, done: true });
      this.#error = null;
    }
  }

  /** The one reader. Throws `bad-argument` for a second. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    if (!this.#sources)
      throw badArgument(
        "this output has a reader already: expected one loop over it; await `result` for the whole, or make the call again",
      );
    this.#tell();
    this.#sources = null;
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

  /** Asks the sources, and lets go of them. */
  #tell(): void {
    this.#newest = this.#newest.map((item) => (typeof item === "function" ? item() : item));
    this.#sources?.clear();
  }

  async #next(): Promise<IteratorResult<T, undefined>> {
    if (this.#oldest.length === 0) {
      this.#oldest = this.#newest.reverse() as T[]; // a reader came: no sources are left
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
