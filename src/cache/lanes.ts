import { type Lanes, PAGE_SLOTS as P } from "../device/device.ts";
import { Pool } from "./pool.ts";

/**
 * How a pass will write to a set: a prefill chunk; decode steps; decode steps that may fill a dead slot each (`victims`); steps
 * whose cuts may close gaps in pages that others hold too (`cuts`).
 */
export type Write = "chunk" | "steps" | "victims" | "cuts";

/** Spare entries a lane needs when passes write at most `chunk` prompt rows or `steps` rows of victims, or cut a whole archive. */
export const sparesFor = (chunk: number, steps: number, archivePages: number): number =>
  Math.max(Math.ceil(chunk / P), steps, archivePages) + 2;

/**
 * The host's half of the cache: which set holds which pages. A set is the lanes of one chain (or root) over all layers and
 * KV heads. The device fills slots and counts them; between passes this class gives it pages and takes them back.
 */
export class LaneTable {
  readonly device: Lanes;
  readonly pool: Pool;
  /** Lanes a set. */
  readonly width: number;
  /** [pairs, 2] source and destination sets whose tails the next pass copies. */
  readonly forks: number[] = [];
  readonly #freeSets: number[] = [];
  readonly #reserved: Int32Array; // [lanes] spare entries filled
  readonly #archiveHeld: Int32Array; // [lanes] archive pages held at the last commit
  readonly #doomedFrom: Int32Array; // [lanes] first doomed page held
  readonly #doomedTo: Int32Array; // [lanes] one past the last doomed page held
  readonly #open: Uint8Array;

  constructor(device: Lanes) {
    this.device = device;
    this.pool = new Pool(device.holders.host);
    const { sets, layers, kvHeads } = device.shape;
    this.width = layers * kvHeads;
    const lanes = sets * this.width;
    device.spare.host.fill(-1);
    this.#reserved = new Int32Array(lanes);
    this.#archiveHeld = new Int32Array(lanes);
    this.#doomedFrom = new Int32Array(lanes);
    this.#doomedTo = new Int32Array(lanes);
    this.#open = new Uint8Array(sets);
    for (let s = sets - 1; s >= 0; s--) this.#freeSets.push(s);
  }

  get freeSets(): number {
    return this.#freeSets.length;
  }

  /** An empty set, or -1 when all are in use. */
  open(): number {
    const set = this.#freeSets.pop();
    if (set === undefined) return -1;
    const d = this.device;
    const from = set * this.width;
    for (const counter of [d.archive, d.head, d.tail, d.used]) counter.host.fill(0, from, from + this.width);
    d.dead.host.fill(-1, from, from + this.width);
    for (const held of [this.#reserved, this.#archiveHeld, this.#doomedFrom, this.#doomedTo])
      held.fill(0, from, from + this.width);
    this.#open[set] = 1;
    return set;
  }

  /** Gives back the archive's pages from entry `from` on. */
  #release(lane: number, from: number): void {
    const { archivePages } = this.device.shape;
    const table = this.device.archiveTable.host;
    for (let i = lane * archivePages + from; i < (lane + 1) * archivePages && table[i] >= 0; i++) {
      this.pool.release(table[i]);
      table[i] = -1;
    }
  }

  /** Gives back every page of a set, spares of a pass that failed too. */
  close(set: number): void {
    this.commit(set);
    const { doomedPages } = this.device.shape;
    const doomedTable = this.device.doomedTable.host;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++) {
      this.#release(lane, 0);
      for (let i = this.#doomedFrom[lane]; i < this.#doomedTo[lane]; i++)
        this.pool.release(doomedTable[lane * doomedPages + (i % doomedPages)]);
    }
    for (let i = 0; i < this.forks.length; i += 2) if (this.forks[i + 1] === set) this.forks.splice(i, 2);
    this.#open[set] = 0;
    this.#freeSets.push(set);
  }

  /** Worst page demand of `rows` more tokens. */
  demand(set: number, rows: number, write: Write): number {
    let pages = 0;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++) pages += this.#worst(write, rows, lane);
    return pages;
  }

  /** Most pages that a pass of `rows` tokens may take for one lane. */
  #worst(write: Write, rows: number, lane: number): number {
    const [archive, tail] = [this.device.archive.host[lane], this.device.tail.host[lane]];
    if (write === "chunk") return Math.ceil(rows / P) + 2;
    if (write === "victims") return rows;
    if (write === "cuts") return this.#shared(lane) + Math.ceil(rows / P) + 1;
    if (rows > 1) return Math.ceil(rows / P) + 1;
    return archive % P === 0 || tail % P === 0 ? 1 : 0;
  }

  /** Archive pages of a lane that others hold too: a cut that closes gaps may copy each. */
  #shared(lane: number): number {
    const from = lane * this.device.shape.archivePages;
    let pages = 0;
    for (let i = 0; i < this.#archiveHeld[lane]; i++)
      if (this.pool.holders[this.device.archiveTable.host[from + i]] > 1) pages++;
    return pages;
  }

  /** Takes the worst demand from the pool as spares and zeroes the pass's counters. `demand` was checked by the caller. */
  reserve(set: number, rows: number, write: Write): void {
    const d = this.device;
    const { sparePages } = d.shape;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++) {
      const pages = this.#worst(write, rows, lane);
      if (pages > sparePages)
        throw new Error(`lane ${lane}: ${rows} rows may take ${pages} pages, a pass gives at most ${sparePages}`);
      for (let i = 0; i < pages; i++) d.spare.host[lane * sparePages + i] = this.pool.take();
      this.#reserved[lane] = pages;
      d.used.host[lane] = 0;
      d.reads.host[lane] = 0;
    }
  }

  /** After a pass: unused spares, pages behind the doomed head, replaced and compacted pages go back to the pool. */
  commit(set: number): void {
    const d = this.device;
    const { doomedPages, sparePages } = d.shape;
    const archive = d.archive.host;
    const head = d.head.host;
    const tail = d.tail.host;
    const used = d.used.host;
    const spare = d.spare.host;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++) {
      for (let i = 0; i < this.#reserved[lane]; i++) {
        const page = spare[lane * sparePages + i];
        if (page >= 0) this.pool.release(page);
        spare[lane * sparePages + i] = -1;
      }
      this.#reserved[lane] = 0;
      used[lane] = 0;
      const doomedTo = Math.ceil(tail[lane] / P);
      const archiveHeld = Math.ceil(archive[lane] / P);
      this.#release(lane, archiveHeld); // what a cut left
      this.#archiveHeld[lane] = archiveHeld;
      const doomedFrom = Math.min(Math.floor(head[lane] / P), doomedTo);
      for (let i = this.#doomedFrom[lane]; i < doomedFrom; i++)
        this.pool.release(d.doomedTable.host[lane * doomedPages + (i % doomedPages)]);
      this.#doomedFrom[lane] = doomedFrom;
      this.#doomedTo[lane] = doomedTo;
    }
  }

  /** Pages that a fork of this set takes: its partly filled tails, at most two a lane. */
  forkDemand(set: number): number {
    const archive = this.device.archive.host;
    const tail = this.device.tail.host;
    let pages = 0;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++)
      pages += (archive[lane] % P ? 1 : 0) + (tail[lane] % P ? 1 : 0);
    return pages;
  }

  /** A set (a free one, or `set`, which is empty) that shares all full pages of `source`; its tails are copied by the next pass. -1 when none is free. */
  fork(source: number, set: number = this.open()): number {
    if (set < 0) return -1;
    const d = this.device;
    const { archivePages, doomedPages } = d.shape;
    for (let i = 0; i < this.width; i++) {
      const from = source * this.width + i;
      const to = set * this.width + i;
      for (const counter of [d.archive, d.head, d.tail, d.dead, d.budget]) counter.host[to] = counter.host[from];
      this.#archiveHeld[to] = this.#archiveHeld[from];
      this.#doomedFrom[to] = this.#doomedFrom[from];
      this.#doomedTo[to] = this.#doomedTo[from];
      this.#share(d.archiveTable.host, archivePages, from, to, 0, d.archive.host[from]);
      this.#share(d.doomedTable.host, doomedPages, from, to, this.#doomedFrom[from], d.tail.host[from]);
    }
    d.protect.host[set] = d.protect.host[source];
    this.forks.push(source, set);
    return set;
  }

  #share(table: Int32Array, stride: number, from: number, to: number, first: number, slots: number): void {
    const full = Math.floor(slots / P);
    for (let i = first; i < full; i++) {
      const page = table[from * stride + (i % stride)];
      this.pool.hold(page);
      table[to * stride + (i % stride)] = page;
    }
    if (slots % P) table[to * stride + (full % stride)] = this.pool.take();
  }

  /** Live keys of a lane, the pending key included. */
  live(lane: number): number {
    const d = this.device;
    const pending = d.dead.host[lane] === -1 ? 1 : 0; // a dead slot (or dead pending key) is not live
    return d.archive.host[lane] + d.tail.host[lane] - d.head.host[lane] + pending;
  }

  /** Live keys a lane, their mean over a set. */
  meanLive(set: number): number {
    let live = 0;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++) live += this.live(lane);
    return live / this.width;
  }

  /** Does this set wait for the next pass to copy its tails? Then it cannot be forked yet. */
  uncopied(set: number): boolean {
    return this.forks.some((other, i) => i % 2 === 1 && other === set);
  }

  /** Archive pages of a set that are full, and how many of these have at least `holders` holders. */
  sharedPages(set: number, holders: number): { full: number; shared: number } {
    const { archivePages } = this.device.shape;
    let full = 0;
    let shared = 0;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++)
      for (let i = 0; i < Math.floor(this.device.archive.host[lane] / P); i++) {
        full++;
        if (this.pool.holders[this.device.archiveTable.host[lane * archivePages + i]] >= holders) shared++;
      }
    return { full, shared };
  }

  /** Pages that a set refers to, shared ones counted in full. */
  pagesOf(set: number): number {
    let pages = 0;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++)
      pages += this.#archiveHeld[lane] + this.#doomedTo[lane] - this.#doomedFrom[lane];
    return pages;
  }

  /** Pages that no other set refers to: what closing this one would free. */
  privatePages(set: number): number {
    const { archivePages, doomedPages } = this.device.shape;
    const { holders } = this.pool;
    let pages = 0;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++) {
      for (let i = 0; i < this.#archiveHeld[lane]; i++)
        if (holders[this.device.archiveTable.host[lane * archivePages + i]] === 1) pages++;
      for (let i = this.#doomedFrom[lane]; i < this.#doomedTo[lane]; i++)
        if (holders[this.device.doomedTable.host[lane * doomedPages + (i % doomedPages)]] === 1) pages++;
    }
    return pages;
  }

  /** Throws unless tables, counts and pool agree. For tests after each step, and for an idle server. */
  check(): void {
    const { archivePages, doomedPages } = this.device.shape;
    const references = new Int32Array(this.pool.total);
    for (let set = 0; set < this.#open.length; set++) {
      if (!this.#open[set]) continue;
      for (let lane = set * this.width; lane < (set + 1) * this.width; lane++) {
        if (this.#archiveHeld[lane] !== Math.ceil(this.device.archive.host[lane] / P))
          throw new Error(
            `lane ${lane}: ${this.#archiveHeld[lane]} archive pages for ${this.device.archive.host[lane]} slots`,
          );
        // The page at the head may hold live keys; those behind it must have gone back.
        const doomedTo = Math.ceil(this.device.tail.host[lane] / P);
        const doomedFrom = Math.min(Math.floor(this.device.head.host[lane] / P), doomedTo);
        if (this.#doomedFrom[lane] !== doomedFrom || this.#doomedTo[lane] !== doomedTo)
          throw new Error(
            `lane ${lane}: doomed pages ${this.#doomedFrom[lane]} to ${this.#doomedTo[lane]} held, expected ${doomedFrom} to ${doomedTo}`,
          );
        const past = lane * archivePages + this.#archiveHeld[lane];
        if (this.#archiveHeld[lane] < archivePages && this.device.archiveTable.host[past] !== -1)
          throw new Error(`lane ${lane}: page ${this.device.archiveTable.host[past]} past the archive's end`);
        for (let i = 0; i < this.#archiveHeld[lane]; i++)
          references[this.device.archiveTable.host[lane * archivePages + i]]++;
        for (let i = this.#doomedFrom[lane]; i < this.#doomedTo[lane]; i++)
          references[this.device.doomedTable.host[lane * doomedPages + (i % doomedPages)]]++;
      }
    }
    this.pool.check(references);
  }
}
