// The host's half of the lanes, as small as it can be: tables, spares and reference counts, checked after every pass.
import assert from "node:assert/strict";
import {
  DEAD_NONE,
  type Device,
  entryAt,
  type I32,
  type LaneShape,
  type Lanes,
  NO_LABELS,
  PAGE_SLOTS,
  SPAN_PAGES,
} from "../../src/device/device.ts";
import { fill, put } from "./devices.ts";
import type { Rule } from "./tracker.ts";

export interface Host {
  readonly lanes: Lanes;
  lanesOf(set: number): number[];
  /** How keys of all sets are labelled; null: not at all. */
  label(rule: Rule | null): void;
  /** Gives each lane of a set `count` spares for the coming pass. */
  plan(set: number, count: number): void;
  /** Pages of a lane's archive, by entry. */
  archiveOf(lane: number): number[];
  /** After a pass: gives back what it left, and finds every page accounted for. */
  settle(): void;
  /** Tables and counters of a fork; the pass must then run `fork`. */
  fork(source: number, destination: number): void;
  release(set: number): void;
  readonly free: number;
}

const floats = new Float32Array(1);
const bits = new Int32Array(floats.buffer);
/** The bits of a float32, as `threshold` holds them. */
export function bitsOf(x: number): number {
  floats[0] = x;
  return bits[0];
}

/** Whole spans that hold `pages`. */
export const spans = (pages: number): number => Math.ceil(pages / SPAN_PAGES) * SPAN_PAGES;

export function host(device: Device, shape: LaneShape): Host {
  const lanes = device.lanes(shape);
  const { archivePages, doomedPages } = shape;
  const each = shape.layers * shape.kvHeads;
  const free = Array.from({ length: shape.pages }, (_, i) => shape.pages - 1 - i);
  const holders = lanes.holders.host;
  const before: number[][] = Array.from({ length: shape.sets * each }, () => []);
  const planned: number[][] = Array.from({ length: shape.sets * each }, () => []);
  let spares = 0; // of the coming pass
  fill(lanes.dead, DEAD_NONE);
  fill(lanes.window, NO_LABELS);

  function held(page: number, by: number): void {
    holders[page] += by;
    lanes.holders.wrote(page, 1);
  }
  function take(): number {
    const page = free.pop();
    assert.ok(page !== undefined, "the test's pool is too small");
    assert.equal(holders[page], 0);
    held(page, 1);
    return page;
  }
  function drop(page: number): void {
    assert.ok(holders[page] >= 1, `page ${page} was dropped once too often`);
    held(page, -1);
    if (holders[page] === 0) free.push(page);
  }
  const archiveAt = (lane: number, e: number) => entryAt(shape, archivePages, lane, e);
  const doomedAt = (lane: number, p: number) => entryAt(shape, doomedPages, lane, p % doomedPages);
  /** Entries of a table that lie from page `first` to before page `end`. */
  const pages = (table: I32, at: typeof archiveAt, lane: number, first: number, end: number) =>
    Array.from({ length: end - first }, (_, i) => table.host[at(lane, first + i)]);
  const pagesFor = (slots: number) => Math.ceil(slots / PAGE_SLOTS);
  function archiveOf(lane: number): number[] {
    return pages(lanes.archiveTable, archiveAt, lane, 0, pagesFor(lanes.archive.host[lane]));
  }
  function doomedOf(lane: number): number[] {
    const first = Math.floor(lanes.head.host[lane] / PAGE_SLOTS);
    return pages(lanes.doomedTable, doomedAt, lane, first, pagesFor(lanes.tail.host[lane]));
  }
  const heldBy = (lane: number) => [...archiveOf(lane), ...doomedOf(lane)];
  const lanesOf = (set: number) => Array.from({ length: each }, (_, i) => set * each + i);

  /** Puts the spares that a lane took where the pass says they went. */
  function derive(lane: number, taken: number[]): void {
    const first = lanes.firstSpare.host[lane];
    for (const [i, page] of taken.entries()) {
      const place = lanes.places.host[first + i];
      if (place >= 0) put(lanes.archiveTable, [page], archiveAt(lane, place));
      else put(lanes.doomedTable, [page], doomedAt(lane, -1 - place));
    }
  }

  function settle(): void {
    for (const lane of before.keys()) {
      const used = lanes.used.host[lane];
      const own = planned[lane];
      assert.ok(used <= own.length, `lane ${lane} took ${used} spares of ${own.length}`);
      const first = lanes.firstSpare.host[lane];
      const left = [...lanes.spare.host.subarray(first, first + own.length)];
      assert.deepEqual(left.slice(used), own.slice(used), `lane ${lane}: spares not taken stay`);
      derive(lane, own.slice(0, used));
      const now = heldBy(lane);
      for (const page of left.slice(0, used))
        assert.ok(
          page === -1 || (before[lane].includes(page) && !now.includes(page)),
          `lane ${lane} let go of page ${page}`,
        );
      for (const page of own.slice(used)) drop(page);
      for (const page of [...before[lane], ...own.slice(0, used)]) if (!now.includes(page)) drop(page);
      assert.equal(new Set(now).size, now.length, `lane ${lane} has a page twice`);
      // What a cut left past the new end was given back above.
      const end = pagesFor(lanes.archive.host[lane]);
      for (const page of pages(lanes.archiveTable, archiveAt, lane, end, lanes.held.host[lane]))
        assert.ok([...before[lane], ...own].includes(page), `lane ${lane} left page ${page}`);
      put(lanes.held, [end], lane);
      before[lane] = now;
      planned[lane] = [];
      for (const counter of [lanes.used, lanes.reads, lanes.physical, lanes.spares, lanes.firstSpare])
        put(counter, [0], lane);
    }
    spares = 0;
    const counts = new Int32Array(shape.pages);
    for (const page of before.flat()) counts[page]++;
    assert.deepEqual(holders.slice(), counts, "holders equal the tables' entries");
    assert.equal(free.length, counts.filter((n) => n === 0).length);
  }

  return {
    lanes,
    lanesOf,
    archiveOf,
    settle,
    label(rule) {
      fill(lanes.window, rule ? rule.window : NO_LABELS);
      fill(lanes.shift, rule?.shift ?? 0);
      fill(lanes.threshold, bitsOf(rule?.threshold ?? 0));
    },
    plan(set, count) {
      for (const lane of lanesOf(set)) {
        planned[lane] = Array.from({ length: count }, take);
        put(lanes.spare, planned[lane], spares);
        put(lanes.firstSpare, [spares], lane);
        put(lanes.spares, [count], lane);
        spares += count;
      }
    },
    fork(source, destination) {
      for (const [i, from] of lanesOf(source).entries()) {
        const to = lanesOf(destination)[i];
        for (const counter of [lanes.archive, lanes.held, lanes.head, lanes.tail, lanes.dead])
          put(counter, [counter.host[from]], to);
        for (const [e, page] of archiveOf(from).entries()) put(lanes.archiveTable, [page], archiveAt(to, e));
        const first = Math.floor(lanes.head.host[from] / PAGE_SLOTS);
        for (const [p, page] of doomedOf(from).entries()) put(lanes.doomedTable, [page], doomedAt(to, first + p));
        // Full pages are shared; a partly filled one, where both go on writing, is copied.
        const [archive, tail] = [lanes.archive.host[from], lanes.tail.host[from]];
        if (archive % PAGE_SLOTS) put(lanes.archiveTable, [take()], archiveAt(to, Math.floor(archive / PAGE_SLOTS)));
        if (tail % PAGE_SLOTS && doomedOf(from).length > 0)
          put(lanes.doomedTable, [take()], doomedAt(to, Math.floor(tail / PAGE_SLOTS)));
        before[to] = heldBy(to);
        for (const page of before[to]) if (before[from].includes(page)) held(page, 1);
      }
    },
    release(set) {
      for (const lane of lanesOf(set)) {
        for (const page of before[lane]) drop(page);
        before[lane] = [];
        for (const counter of [lanes.archive, lanes.held, lanes.head, lanes.tail]) put(counter, [0], lane);
        put(lanes.dead, [DEAD_NONE], lane);
      }
    },
    get free() {
      return free.length;
    },
  };
}
