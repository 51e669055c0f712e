import { noMemory } from "../base/errors.ts";
import type { I32 } from "../device/device.ts";

/** Pages that the sets of one group hold, shared ones once, those that a pass has in reserve included. */
export interface Account {
  pages: number;
  peakPages: number;
}

/** Pages of one pool with reference counts. Knows nothing of what lies in a page. */
export class Pool {
  readonly total: number;
  /** [total] holders of each page; the device copies before it writes where this is above 1. */
  readonly holders: Int32Array;
  readonly #counts: I32;
  readonly #free: Int32Array; // a stack: the page freed last is taken first, as it is still in the caches
  #freeCount: number;
  #changedFrom = Number.POSITIVE_INFINITY;
  #changedTo = 0;

  constructor(counts: I32) {
    this.#counts = counts;
    this.holders = counts.host;
    this.total = counts.length;
    this.#free = new Int32Array(this.total);
    this.#freeCount = this.total;
  }

  get free(): number {
    return this.#freeCount;
  }

  get used(): number {
    return this.total - this.#freeCount;
  }

  /** A page with one holder. The caller has planned for it: an empty pool here is a bug, not a shortage. */
  take(account: Account): number {
    if (this.#freeCount === 0) throw noMemory("page pool empty: the plan asked for too little");
    const page = this.#freePage(--this.#freeCount);
    this.holders[page] = 1;
    this.#changed(page);
    account.pages++;
    account.peakPages = Math.max(account.peakPages, account.pages);
    return page;
  }

  hold(page: number): void {
    this.holders[page]++;
    this.#changed(page);
  }

  release(page: number, account: Account): void {
    if (--this.holders[page] === 0) {
      this.#free[this.#freeCount++] = ~page;
      account.pages--;
    } else if (this.holders[page] < 0) throw new Error(`page ${page} released more often than held`);
    this.#changed(page);
  }

  /** Sends up the counts that changed. */
  flush(): void {
    if (this.#changedTo > this.#changedFrom) this.#counts.wrote(this.#changedFrom, this.#changedTo - this.#changedFrom);
    this.#changedFrom = Number.POSITIVE_INFINITY;
    this.#changedTo = 0;
  }

  /** Throws unless free + owned = total and every page has exactly the references that `references` counts. */
  check(references: Int32Array): void {
    const isFree = new Uint8Array(this.total);
    for (let i = 0; i < this.#freeCount; i++) {
      const page = this.#freePage(i);
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

  /**
   * Entry `i` of the stack. An entry never written is 0 and stands for the page that it had at first, so that memory is
   * touched by use.
   */
  #freePage(i: number): number {
    return this.#free[i] === 0 ? this.total - 1 - i : ~this.#free[i];
  }

  #changed(page: number): void {
    this.#changedFrom = Math.min(this.#changedFrom, page);
    this.#changedTo = Math.max(this.#changedTo, page + 1);
  }
}
