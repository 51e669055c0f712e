import { entryAt, type I32, type LaneShape, PAGE_SLOTS, SPAN_PAGES } from "../device/device.ts";
import type { Account, Pool } from "./pool.ts";

/** Which pages stand in one of the two tables of all lanes: in the archive's, or in the ring of the doomed. */
export class PageTable {
  /** [lanes] the first entry with a page: 0 in the archive. */
  readonly from: Int32Array;
  /** [lanes] one past the last. */
  readonly to: Int32Array;
  readonly #pool: Pool;
  readonly #shape: LaneShape;
  readonly #table: I32;
  readonly #size: number; // entries of a lane, used as a ring

  constructor(pool: Pool, shape: LaneShape, table: I32, size: number, to: Int32Array) {
    this.#pool = pool;
    this.#shape = shape;
    this.#table = table;
    this.#size = size;
    this.to = to;
    this.from = new Int32Array(to.length);
  }

  #at(lane: number, e: number): number {
    return entryAt(this.#shape, this.#size, lane, e % this.#size);
  }

  set(lane: number, e: number, page: number): void {
    this.#table.host[this.#at(lane, e)] = page;
  }

  count(lane: number): number {
    return this.to[lane] - this.from[lane];
  }

  /** Pages of a lane that others hold too: a cut that closes gaps may copy each. */
  shared(lane: number): number {
    let pages = 0;
    for (let e = this.from[lane]; e < this.to[lane]; e++)
      if (this.#pool.holders[this.#table.host[this.#at(lane, e)]] > 1) pages++;
    return pages;
  }

  /** The pages of a lane, those of entries [from, to) if these are given. */
  *pages(lane: number, from = this.from[lane], to = this.to[lane]): Iterable<number> {
    for (let e = from; e < to; e++) yield this.#table.host[this.#at(lane, e)];
  }

  /** Gives back the pages of a lane before entry `from`, and those from entry `to` on. */
  trim(lane: number, from: number, to: number, account: Account): void {
    for (let e = this.from[lane]; e < from; e++) this.#release(lane, e, account);
    for (let e = Math.max(from, to); e < this.to[lane]; e++) this.#release(lane, e, account);
    this.from[lane] = from;
    this.to[lane] = Math.min(this.to[lane], to);
  }

  #release(lane: number, e: number, account: Account): void {
    this.#pool.release(this.#table.host[this.#at(lane, e)], account);
  }

  /** Gives `target` the pages of `source` that are full of its `slots` slots, and one of its own for what is left. */
  share(source: number, target: number, slots: number, account: Account): void {
    this.from[target] = this.from[source];
    this.to[target] = this.to[source];
    const full = Math.floor(slots / PAGE_SLOTS);
    let e = this.from[source];
    for (const page of this.pages(source, e, full)) {
      this.#pool.hold(page);
      this.set(target, e++, page);
    }
    if (slots % PAGE_SLOTS) this.set(target, full, this.#pool.take(account));
  }

  /** Sends a lane's entries up. */
  flush(lane: number): void {
    const to = this.to[lane];
    for (let e = this.from[lane]; e < to; e = (Math.floor(e / SPAN_PAGES) + 1) * SPAN_PAGES)
      this.#table.wrote(this.#at(lane, e), SPAN_PAGES - (e % SPAN_PAGES));
  }
}
