import { HyperthinkError } from "../base/errors.ts";
import { DEAD_NONE, entryAt, LANE_TABLES, type Lanes, PAGE_SLOTS as P, SPAN_PAGES } from "../device/device.ts";
import { type Account, Pool } from "./pool.ts";

/**
 * How a pass will write to a set: a prefill chunk; decode steps; decode steps that may fill a dead slot each
 * (`victims`); steps whose cuts may close gaps in pages that others hold too (`cuts`).
 */
export type Write = "chunk" | "steps" | "victims" | "cuts";

const names = Object.keys(LANE_TABLES) as (keyof typeof LANE_TABLES)[];
const PER_LANE = names.filter((name) => LANE_TABLES[name].per === "lane");
const PER_SET = names.filter((name) => LANE_TABLES[name].per === "set");

/**
 * The host's half of the cache: which set holds which pages. A set is the lanes of one chain (or root) over all layers
 * and KV heads. The device fills slots and counts them; between passes this class gives it pages and takes them back.
 */
export class LaneTable {
  readonly device: Lanes;
  readonly pool: Pool;
  /** Lanes per set. */
  readonly width: number;
  /** [pairs, 2] source and destination sets whose tails the next pass copies. */
  readonly forks: number[] = [];
  readonly #freeSets: number[] = [];
  readonly #accounts: (Account | null)[]; // per set; null: it is closed
  readonly #given: Int32Array; // [pages] the pages that stand in `spare`, which the pass writes over
  #givenCount = 0;
  readonly #reserved = new Set<number>(); // sets with spares
  readonly #changed = new Set<number>(); // sets whose counters or settings go up
  readonly #forked = new Set<number>(); // sets whose tables of pages go up
  readonly #wants: Int32Array; // [width] spares of each lane of the set at hand
  readonly #doomedFrom: Int32Array; // [lanes] first doomed page held
  readonly #doomedTo: Int32Array; // [lanes] one past the last doomed page held

  constructor(device: Lanes) {
    this.device = device;
    this.pool = new Pool(device.holders);
    const { sets, layers, kvHeads, pages } = device.shape;
    this.width = layers * kvHeads;
    this.#given = new Int32Array(pages);
    this.#wants = new Int32Array(this.width);
    this.#doomedFrom = new Int32Array(sets * this.width);
    this.#doomedTo = new Int32Array(sets * this.width);
    this.#accounts = new Array(sets).fill(null);
    for (let s = sets - 1; s >= 0; s--) this.#freeSets.push(s);
  }

  get freeSets(): number {
    return this.#freeSets.length;
  }

  /** An empty set whose pages count for `account`, or -1 when all are in use. */
  open(account: Account = { pages: 0, peakPages: 0 }): number {
    const set = this.#freeSets.pop();
    if (set === undefined) return -1;
    const [from, to] = [set * this.width, (set + 1) * this.width];
    for (const name of PER_LANE) this.device[name].host.fill(name === "dead" ? DEAD_NONE : 0, from, to);
    for (const held of [this.#doomedFrom, this.#doomedTo]) held.fill(0, from, to);
    this.#accounts[set] = account;
    this.changed(set);
    return set;
  }

  /** The account of an open set. */
  accountOf(set: number): Account {
    const account = this.#accounts[set];
    if (!account) throw new Error(`set ${set} is closed`);
    return account;
  }

  /** Says that counters or settings of a set were written. */
  changed(set: number): void {
    this.#changed.add(set);
  }

  /** Sends up what changed since the last pass. */
  flush(): void {
    const d = this.device;
    for (const set of this.#changed) {
      for (const name of PER_LANE) d[name].wrote(set * this.width, this.width);
      for (const name of PER_SET) d[name].wrote(set, 1);
    }
    for (const set of this.#forked)
      for (const [lane, from, to] of this.#lanesOf(set)) {
        this.#wrote(d.archiveTable, d.shape.archivePages, lane, 0, d.held.host[lane]);
        this.#wrote(d.doomedTable, d.shape.doomedPages, lane, from, to);
      }
    if (this.#givenCount > 0) d.spare.wrote(0, this.#givenCount);
    this.pool.flush();
    this.#changed.clear();
    this.#forked.clear();
  }

  /** Lanes of a set, with the first doomed page held and one past the last. */
  *#lanesOf(set: number): Iterable<[lane: number, from: number, to: number]> {
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++)
      yield [lane, this.#doomedFrom[lane], this.#doomedTo[lane]];
  }

  #wrote(table: Lanes["archiveTable"], pages: number, lane: number, from: number, to: number): void {
    for (let e = from; e < to; e = (Math.floor(e / SPAN_PAGES) + 1) * SPAN_PAGES)
      table.wrote(entryAt(this.device.shape, pages, lane, e % pages), SPAN_PAGES - (e % SPAN_PAGES));
  }

  /** Where entry `e` of a lane lies in the archive's table. */
  #archiveAt(lane: number, e: number): number {
    return entryAt(this.device.shape, this.device.shape.archivePages, lane, e);
  }

  #doomedAt(lane: number, e: number): number {
    const { shape } = this.device;
    return entryAt(shape, shape.doomedPages, lane, e % shape.doomedPages);
  }

  /** Gives back the archive's pages from entry `from` on. */
  #release(lane: number, from: number, account: Account): void {
    const { held, archiveTable } = this.device;
    for (let e = from; e < held.host[lane]; e++)
      this.pool.release(archiveTable.host[this.#archiveAt(lane, e)], account);
    held.host[lane] = Math.min(held.host[lane], from);
  }

  /** Gives back every page of a set, spares of a pass that failed too. */
  close(set: number): void {
    this.commit(set);
    const account = this.accountOf(set);
    for (const [lane, from, to] of this.#lanesOf(set)) {
      this.#release(lane, 0, account);
      for (let e = from; e < to; e++) this.pool.release(this.device.doomedTable.host[this.#doomedAt(lane, e)], account);
    }
    for (let i = 0; i < this.forks.length; i += 2) if (this.forks[i + 1] === set) this.forks.splice(i, 2);
    this.#forked.delete(set);
    this.#accounts[set] = null;
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
    const { held, archiveTable } = this.device;
    let pages = 0;
    for (let e = 0; e < held.host[lane]; e++)
      if (this.pool.holders[archiveTable.host[this.#archiveAt(lane, e)]] > 1) pages++;
    return pages;
  }

  /**
   * Takes the worst demand from the pool as spares and zeroes the counters of a pass that feeds rows.
   * Throws `no-memory`.
   */
  reserve(set: number, rows: number, write: Write): void {
    const d = this.device;
    const account = this.accountOf(set);
    if (this.#reserved.has(set)) throw new Error(`set ${set} has spares already`);
    const first = set * this.width;
    let need = 0;
    for (let i = 0; i < this.width; i++) {
      this.#wants[i] = this.#worst(write, rows, first + i);
      need += this.#wants[i];
    }
    if (need > this.pool.free)
      throw new HyperthinkError(
        "no-memory",
        `${need} pages are needed and ${this.pool.free} free: raise --kv-memory, run fewer chains or take shorter texts`,
      );
    this.#reserved.add(set);
    for (let i = 0; i < this.width; i++) {
      const lane = first + i;
      d.firstSpare.host[lane] = this.#givenCount;
      d.spares.host[lane] = this.#wants[i];
      for (let n = 0; n < this.#wants[i]; n++, this.#givenCount++) {
        this.#given[this.#givenCount] = this.pool.take(account);
        d.spare.host[this.#givenCount] = this.#given[this.#givenCount];
      }
      d.used.host[lane] = 0;
      if (rows === 0) continue; // a cut reads no keys: the last pass's counts stand
      d.reads.host[lane] = 0;
      d.physical.host[lane] = 0;
    }
    this.changed(set);
  }

  /**
   * After a pass: taken pages stand in the tables; unused, replaced and compacted ones and those behind the doomed head
   * go back.
   */
  commit(set: number): void {
    const d = this.device;
    const account = this.accountOf(set);
    const reserved = this.#reserved.delete(set);
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++) {
      if (reserved) this.#settle(lane, account);
      this.#release(lane, Math.ceil(d.archive.host[lane] / P), account);
      const doomedTo = Math.ceil(d.tail.host[lane] / P);
      const doomedFrom = Math.min(Math.floor(d.head.host[lane] / P), doomedTo);
      for (let e = this.#doomedFrom[lane]; e < doomedFrom; e++)
        this.pool.release(d.doomedTable.host[this.#doomedAt(lane, e)], account);
      this.#doomedFrom[lane] = doomedFrom;
      this.#doomedTo[lane] = doomedTo;
    }
    if (this.#reserved.size === 0) this.#givenCount = 0;
    this.changed(set);
  }

  /**
   * Derives a lane's tables from the spares that the pass took, in order, and gives back the others and what they
   * replaced.
   */
  #settle(lane: number, account: Account): void {
    const d = this.device;
    const first = d.firstSpare.host[lane];
    const taken = first + d.used.host[lane];
    for (let i = first; i < taken; i++) {
      const place = d.places.host[i];
      if (place >= 0) d.archiveTable.host[this.#archiveAt(lane, place)] = this.#given[i];
      else d.doomedTable.host[this.#doomedAt(lane, -1 - place)] = this.#given[i];
      if (d.spare.host[i] >= 0) this.pool.release(d.spare.host[i], account);
    }
    for (let i = taken; i < first + d.spares.host[lane]; i++) this.pool.release(this.#given[i], account);
    d.used.host[lane] = 0;
    d.spares.host[lane] = 0;
  }

  /** Pages that a fork of this set takes: its partly filled tails, at most two per lane. */
  forkDemand(set: number): number {
    const archive = this.device.archive.host;
    const tail = this.device.tail.host;
    let pages = 0;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++)
      pages += (archive[lane] % P ? 1 : 0) + (tail[lane] % P ? 1 : 0);
    return pages;
  }

  /**
   * A set that shares all full pages of `source`, and its account; its tails are copied by the next pass. -1 when none
   * is free.
   */
  fork(source: number): number {
    const account = this.accountOf(source);
    const set = this.open(account);
    if (set < 0) return -1;
    const d = this.device;
    for (let i = 0; i < this.width; i++) {
      const from = source * this.width + i;
      const to = set * this.width + i;
      for (const counter of [d.archive, d.held, d.head, d.tail, d.dead, d.budget])
        counter.host[to] = counter.host[from];
      this.#doomedFrom[to] = this.#doomedFrom[from];
      this.#doomedTo[to] = this.#doomedTo[from];
      this.#share(d.archiveTable, (lane, e) => this.#archiveAt(lane, e), from, to, 0, d.archive.host[from], account);
      const first = this.#doomedFrom[from];
      this.#share(d.doomedTable, (lane, e) => this.#doomedAt(lane, e), from, to, first, d.tail.host[from], account);
    }
    for (const name of PER_SET) d[name].host[set] = d[name].host[source];
    this.forks.push(source, set);
    this.#forked.add(set);
    return set;
  }

  #share(
    table: Lanes["archiveTable"],
    at: (lane: number, e: number) => number,
    from: number,
    to: number,
    first: number,
    slots: number,
    account: Account,
  ): void {
    const full = Math.floor(slots / P);
    for (let e = first; e < full; e++) {
      const page = table.host[at(from, e)];
      this.pool.hold(page);
      table.host[at(to, e)] = page;
    }
    if (slots % P) table.host[at(to, full)] = this.pool.take(account);
  }

  /** Live keys of a lane, the pending key included. */
  live(lane: number): number {
    const d = this.device;
    const pending = d.dead.host[lane] === DEAD_NONE ? 1 : 0; // a dead slot (or dead pending key) is not live
    return d.archive.host[lane] + d.tail.host[lane] - d.head.host[lane] + pending;
  }

  /** Live keys per lane, their mean over a set. */
  meanLive(set: number): number {
    let live = 0;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++) live += this.live(lane);
    return live / this.width;
  }

  /** Does this set wait for the next pass to copy its tails? Then it cannot be forked yet. */
  uncopied(set: number): boolean {
    return this.forks.some((other, i) => i % 2 === 1 && other === set);
  }

  /** Pages that a set refers to, one after the other. */
  *pages(set: number): Iterable<number> {
    const d = this.device;
    for (const [lane, from, to] of this.#lanesOf(set)) {
      for (let e = 0; e < d.held.host[lane]; e++) yield d.archiveTable.host[this.#archiveAt(lane, e)];
      for (let e = from; e < to; e++) yield d.doomedTable.host[this.#doomedAt(lane, e)];
    }
  }

  /** Pages that a set refers to, shared ones counted in full. */
  pagesOf(set: number): number {
    let pages = 0;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++)
      pages += this.device.held.host[lane] + this.#doomedTo[lane] - this.#doomedFrom[lane];
    return pages;
  }

  /** Pages that no other set refers to: what closing this one would free. */
  privatePages(set: number): number {
    let pages = 0;
    for (const page of this.pages(set)) if (this.pool.holders[page] === 1) pages++;
    return pages;
  }

  /** Throws unless tables, counts and pool agree. For tests after each step, and for an idle server. */
  check(): void {
    const d = this.device;
    const references = new Int32Array(this.pool.total);
    for (const [set, account] of this.#accounts.entries()) {
      if (!account) continue;
      for (const [lane, from, to] of this.#lanesOf(set)) {
        const archive = d.archive.host[lane];
        if (d.held.host[lane] !== Math.ceil(archive / P))
          throw new Error(`lane ${lane}: ${d.held.host[lane]} archive pages for ${archive} slots`);
        // The page at the head may hold live keys; those behind it must have gone back.
        const doomedTo = Math.ceil(d.tail.host[lane] / P);
        const doomedFrom = Math.min(Math.floor(d.head.host[lane] / P), doomedTo);
        if (from !== doomedFrom || to !== doomedTo)
          throw new Error(`lane ${lane}: doomed pages ${from} to ${to} held, expected ${doomedFrom} to ${doomedTo}`);
      }
      for (const page of this.pages(set)) references[page]++;
    }
    this.pool.check(references);
    const accounts = [...new Set(this.#accounts)].reduce((pages, account) => pages + (account?.pages ?? 0), 0);
    if (accounts !== this.pool.used)
      throw new Error(`accounts hold ${accounts} pages, the pool gave ${this.pool.used}`);
  }
}
