import { HyperthinkError } from "../base/errors.ts";

/** Pages of one pool with reference counts. Knows nothing of what lies in a page. */
export class Pool {
  readonly total: number;
  /** [total] holders of each page; shared with the device, which copies before it writes where this is above 1. */
  readonly holders: Int32Array;
  readonly #free: Int32Array; // a stack: the page freed last is taken first, as it is still in the caches
  #freeCount: number;

  constructor(holders: Int32Array) {
    this.holders = holders;
    this.total = holders.length;
    this.#free = new Int32Array(this.total);
    for (let i = 0; i < this.total; i++) this.#free[i] = this.total - 1 - i;
    this.#freeCount = this.total;
  }

  get free(): number {
    return this.#freeCount;
  }

  get used(): number {
    return this.total - this.#freeCount;
  }

  /** A page with one holder. The caller has planned for it: an empty pool here is a bug, not a shortage. */
  take(): number {
    if (this.#freeCount === 0) throw new HyperthinkError("no-memory", "page pool empty: the plan asked for too little");
    const page = this.#free[--this.#freeCount];
    this.holders[page] = 1;
    return page;
  }

  hold(page: number): void {
    this.holders[page]++;
  }

  release(page: number): void {
    if (--this.holders[page] === 0) this.#free[this.#freeCount++] = page;
    else if (this.holders[page] < 0) throw new Error(`page ${page} released more often than held`);
  }

  /** Throws unless free + owned = total and every page has exactly the references that `references` counts. */
  check(references: Int32Array): void {
    const isFree = new Uint8Array(this.total);
    for (let i = 0; i < this.#freeCount; i++) {
      const page = this.#free[i];
      if (isFree[page]) throw new Error(`page ${page} is free twice`);
      isFree[page] = 1;
    }
    for (let page = 0; page < this.total; page++) {
      if (this.holders[page] !== references[page])
        throw new Error(
          `page ${page}: ${this.holders[page]} holders counted, tables hold it ${references[page]} times`,
        );
      if ((this.holders[page] === 0) !== (isFree[page] === 1))
        throw new Error(`page ${page} is neither owned nor free`);
    }
  }
}
