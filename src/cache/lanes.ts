import { noMemory } from "../base/errors.ts";
import { DEAD_NONE, LANE_TABLES, type Lanes, PAGE_SLOTS as P } from "../device/device.ts";
import { PageTable } from "./page-table.ts";
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
  readonly #archive: PageTable;
  readonly #doomed: PageTable;
  readonly #tables: readonly PageTable[]; // these two

  constructor(device: Lanes) {
    this.device = device;
    this.pool = new Pool(device.holders);
    const { archiveTable, doomedTable, held, shape } = device;
    const { sets, layers, kvHeads, pages, archivePages, doomedPages } = shape;
    this.width = layers * kvHeads;
    this.#given = new Int32Array(pages);
    const doomedTo = new Int32Array(sets * this.width); // of the archive, the device counts
    this.#archive = new PageTable(this.pool, shape, archiveTable, archivePages, held.host);
    this.#doomed = new PageTable(this.pool, shape, doomedTable, doomedPages, doomedTo);
    this.#tables = [this.#archive, this.#doomed];
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
    for (const table of this.#tables) for (const ends of [table.from, table.to]) ends.fill(0, from, to);
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
      for (const lane of this.lanes(set)) for (const table of this.#tables) table.flush(lane);
    if (this.#givenCount > 0) d.spare.wrote(0, this.#givenCount);
    this.pool.flush();
    this.#changed.clear();
    this.#forked.clear();
  }

  /** Numbers of a set's lanes. */
  lanes(set: number): number[] {
    return Array.from({ length: this.width }, (_, i) => set * this.width + i);
  }

  /** What the lanes of a set have, in all. */
  #sum(set: number, of: (lane: number) => number): number {
    let sum = 0;
    for (let lane = set * this.width; lane < (set + 1) * this.width; lane++) sum += of(lane);
    return sum;
  }

  /** Gives back every page of a set, spares of a pass that failed too. */
  close(set: number): void {
    this.commit(set);
    const account = this.accountOf(set);
    for (const lane of this.lanes(set))
      for (const table of this.#tables) table.trim(lane, table.from[lane], table.from[lane], account);
    for (let i = 0; i < this.forks.length; i += 2) if (this.forks[i + 1] === set) this.forks.splice(i, 2);
    this.#forked.delete(set);
    this.#accounts[set] = null;
    this.#freeSets.push(set);
  }

  /** Worst page demand of `rows` more tokens. */
  demand(set: number, rows: number, write: Write): number {
    return this.#sum(set, (lane) => this.#worst(write, rows, lane));
  }

  /** Most pages that a pass of `rows` tokens may take for one lane. */
  #worst(write: Write, rows: number, lane: number): number {
    const [archive, tail] = [this.device.archive.host[lane], this.device.tail.host[lane]];
    if (write === "chunk") return Math.ceil(rows / P) + 2;
    if (write === "victims") return rows;
    if (write === "cuts") return this.#archive.shared(lane) + Math.ceil(rows / P) + 1;
    if (rows > 1) return Math.ceil(rows / P) + 1;
    return archive % P === 0 || tail % P === 0 ? 1 : 0;
  }

  /**
   * Takes the worst demand from the pool as spares and zeroes the counters of a pass that feeds rows.
   * Throws `no-memory`.
   */
  reserve(set: number, rows: number, write: Write): void {
    const d = this.device;
    const account = this.accountOf(set);
    if (this.#reserved.has(set)) throw new Error(`set ${set} has spares already`);
    const lanes = this.lanes(set);
    const wants = lanes.map((lane) => this.#worst(write, rows, lane));
    const need = wants.reduce((sum, pages) => sum + pages, 0);
    if (need > this.pool.free)
      throw noMemory(
        `${need} pages are needed and ${this.pool.free} free: raise --kv-memory, run fewer chains or take shorter texts`,
      );
    this.#reserved.add(set);
    for (const [i, lane] of lanes.entries()) {
      d.firstSpare.host[lane] = this.#givenCount;
      d.spares.host[lane] = wants[i];
      for (let n = 0; n < wants[i]; n++, this.#givenCount++) {
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
    for (const lane of this.lanes(set)) {
      if (reserved) this.#settle(lane, account);
      this.#archive.trim(lane, 0, Math.ceil(d.archive.host[lane] / P), account);
      const { from, to } = this.#doomedPages(lane);
      this.#doomed.to[lane] = to;
      this.#doomed.trim(lane, from, to, account);
    }
    if (this.#reserved.size === 0) this.#givenCount = 0;
    this.changed(set);
  }

  /** Entries of the doomed that hold a page between passes: the one at the head may hold live keys. */
  #doomedPages(lane: number): { from: number; to: number } {
    const { head, tail } = this.device;
    const to = Math.ceil(tail.host[lane] / P);
    return { from: Math.min(Math.floor(head.host[lane] / P), to), to };
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
      if (place >= 0) this.#archive.set(lane, place, this.#given[i]);
      else this.#doomed.set(lane, -1 - place, this.#given[i]);
      if (d.spare.host[i] >= 0) this.pool.release(d.spare.host[i], account);
    }
    for (let i = taken; i < first + d.spares.host[lane]; i++) this.pool.release(this.#given[i], account);
    d.used.host[lane] = 0;
    d.spares.host[lane] = 0;
  }

  /** Pages that a fork of this set takes: its partly filled tails, at most two per lane. */
  forkDemand(set: number): number {
    const { archive, tail } = this.device;
    return this.#sum(set, (lane) => Number(archive.host[lane] % P > 0) + Number(tail.host[lane] % P > 0));
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
    for (const to of this.lanes(set)) {
      const from = to + (source - set) * this.width;
      for (const counter of [d.archive, d.head, d.tail, d.dead, d.budget]) counter.host[to] = counter.host[from];
      this.#archive.share(from, to, d.archive.host[from], account);
      this.#doomed.share(from, to, d.tail.host[from], account);
    }
    for (const name of PER_SET) d[name].host[set] = d[name].host[source];
    this.forks.push(source, set);
    this.#forked.add(set);
    return set;
  }

  /** Live keys of a lane, the pending key included. */
  live(lane: number): number {
    const d = this.device;
    const pending = d.dead.host[lane] === DEAD_NONE ? 1 : 0; // a dead slot (or dead pending key) is not live
    return d.archive.host[lane] + d.tail.host[lane] - d.head.host[lane] + pending;
  }

  /** Live keys per lane, their mean over a set. */
  meanLive(set: number): number {
    return this.#sum(set, (lane) => this.live(lane)) / this.width;
  }

  /** Does the next pass copy tails to this set (then it cannot be forked yet), or from it (nor closed)? */
  copies(to: "to" | "from", set: number): boolean {
    return this.forks.some((other, i) => i % 2 === Number(to === "to") && other === set);
  }

  /** Pages that a set refers to, one after the other. */
  *pages(set: number): Iterable<number> {
    for (const lane of this.lanes(set)) for (const table of this.#tables) yield* table.pages(lane);
  }

  /** Pages that a set refers to, shared ones counted in full. */
  pagesOf(set: number): number {
    return this.#sum(set, (lane) => this.#archive.count(lane) + this.#doomed.count(lane));
  }

  /** Archive pages that other sets refer to as well: what a cut may have to copy. */
  sharedPages(set: number): number {
    return this.#sum(set, (lane) => this.#archive.shared(lane));
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
      for (const lane of this.lanes(set)) {
        const archive = d.archive.host[lane];
        if (d.held.host[lane] !== Math.ceil(archive / P))
          throw new Error(`lane ${lane}: ${d.held.host[lane]} archive pages for ${archive} slots`);
        const [from, to] = [this.#doomed.from[lane], this.#doomed.to[lane]];
        const wanted = this.#doomedPages(lane);
        if (from !== wanted.from || to !== wanted.to)
          throw new Error(`lane ${lane}: doomed pages ${from} to ${to} held, expected ${wanted.from} to ${wanted.to}`);
      }
      for (const page of this.pages(set)) references[page]++;
    }
    this.pool.check(references);
    const accounts = [...new Set(this.#accounts)].reduce((pages, account) => pages + (account?.pages ?? 0), 0);
    if (accounts !== this.pool.used)
      throw new Error(`accounts hold ${accounts} pages, the pool gave ${this.pool.used}`);
  }
}
