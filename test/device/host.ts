// The host's half of the lanes, as small as it can be: tables, spares and reference counts, checked after every pass.
import assert from "node:assert/strict";
import { type Device, type LaneShape, type Lanes, PAGE_SLOTS } from "../../src/device/device.ts";

export interface Host {
  readonly lanes: Lanes;
  lanesOf(set: number): number[];
  /** Gives each lane of a set `count` spares for the coming pass. */
  plan(set: number, count: number): void;
  /** After a pass: gives back what it left, and finds every page accounted for. */
  settle(): void;
  /** Tables and counters of a fork; the pass must then run `fork`. */
  fork(source: number, destination: number): void;
  release(set: number): void;
  readonly free: number;
}

export function host(device: Device, shape: LaneShape): Host {
  const lanes = device.lanes(shape);
  const { archivePages, doomedPages, sparePages } = shape;
  const each = shape.layers * shape.kvHeads;
  const free = Array.from({ length: shape.pages }, (_, i) => shape.pages - 1 - i);
  const holders = lanes.holders.host;
  const before: number[][] = Array.from({ length: shape.sets * each }, () => []);
  const planned: number[][] = Array.from({ length: shape.sets * each }, () => []);

  function take(): number {
    const page = free.pop();
    assert.ok(page !== undefined, "the test's pool is too small");
    holders[page] = 1;
    return page;
  }
  function drop(page: number): void {
    assert.ok(holders[page] >= 1, `page ${page} was dropped once too often`);
    if (--holders[page] === 0) free.push(page);
  }
  function archiveOf(lane: number): number[] {
    const pages = Math.ceil(lanes.archive.host[lane] / PAGE_SLOTS);
    return [...lanes.archiveTable.host.subarray(lane * archivePages, lane * archivePages + pages)];
  }
  function doomedOf(lane: number): number[] {
    const first = Math.floor(lanes.head.host[lane] / PAGE_SLOTS);
    const end = Math.ceil(lanes.tail.host[lane] / PAGE_SLOTS);
    return Array.from(
      { length: end - first },
      (_, i) => lanes.doomedTable.host[lane * doomedPages + ((first + i) % doomedPages)],
    );
  }
  const held = (lane: number) => [...archiveOf(lane), ...doomedOf(lane)];
  const lanesOf = (set: number) => Array.from({ length: each }, (_, i) => set * each + i);

  function settle(): void {
    for (const lane of before.keys()) {
      const used = lanes.used.host[lane];
      const spares = planned[lane];
      assert.ok(used <= spares.length, `lane ${lane} took ${used} spares of ${spares.length}`);
      const now = held(lane);
      const left = [...lanes.spare.host.subarray(lane * sparePages, lane * sparePages + spares.length)];
      const replaced = left.slice(0, used).filter((page) => page !== -1);
      for (const page of replaced) {
        assert.ok(before[lane].includes(page) && !now.includes(page), `lane ${lane} let go of page ${page}`);
      }
      assert.deepEqual(left.slice(used), spares.slice(used), `lane ${lane}: spares not taken stay`);
      for (const page of spares.slice(used)) drop(page);
      for (const page of [...before[lane], ...spares.slice(0, used)]) if (!now.includes(page)) drop(page);
      assert.equal(new Set(now).size, now.length, `lane ${lane} has a page twice`);
      // What a cut left past the new end was given back above.
      const past = lanes.archiveTable.host.subarray(
        lane * archivePages + archiveOf(lane).length,
        (lane + 1) * archivePages,
      );
      for (const page of past)
        assert.ok(page === -1 || [...before[lane], ...spares].includes(page), `lane ${lane} left page ${page}`);
      past.fill(-1);
      before[lane] = now;
      planned[lane] = [];
      lanes.used.host[lane] = 0;
      lanes.reads.host[lane] = 0;
      lanes.spare.host.fill(-1, lane * sparePages, (lane + 1) * sparePages);
    }
    lanes.physical.host.fill(0);
    const counts = new Int32Array(shape.pages);
    for (const page of before.flat()) counts[page]++;
    assert.deepEqual(holders.slice(), counts, "holders equal the tables' entries");
    assert.equal(free.length, counts.filter((n) => n === 0).length);
  }

  return {
    lanes,
    lanesOf,
    settle,
    plan(set, count) {
      for (const lane of lanesOf(set)) {
        planned[lane] = Array.from({ length: count }, take);
        lanes.spare.host.set(planned[lane], lane * sparePages);
      }
    },
    fork(source, destination) {
      for (const [i, from] of lanesOf(source).entries()) {
        const to = lanesOf(destination)[i];
        for (const counter of [lanes.archive, lanes.head, lanes.tail, lanes.dead])
          counter.host[to] = counter.host[from];
        for (const [table, width] of [
          [lanes.archiveTable.host, archivePages],
          [lanes.doomedTable.host, doomedPages],
        ] as const) {
          table.copyWithin(to * width, from * width, (from + 1) * width);
        }
        // Full pages are shared; a partly filled one, where both go on writing, is copied.
        if (lanes.archive.host[from] % PAGE_SLOTS) {
          lanes.archiveTable.host[to * archivePages + Math.floor(lanes.archive.host[from] / PAGE_SLOTS)] = take();
        }
        if (lanes.tail.host[from] % PAGE_SLOTS && doomedOf(from).length > 0) {
          const entry = Math.floor(lanes.tail.host[from] / PAGE_SLOTS) % doomedPages;
          lanes.doomedTable.host[to * doomedPages + entry] = take();
        }
        before[to] = held(to);
        for (const page of before[to]) if (before[from].includes(page)) holders[page]++;
      }
    },
    release(set) {
      for (const lane of lanesOf(set)) {
        for (const page of before[lane]) drop(page);
        before[lane] = [];
        for (const counter of [lanes.archive, lanes.head, lanes.tail]) counter.host[lane] = 0;
        lanes.dead.host[lane] = -1;
        lanes.archiveTable.host.fill(-1, lane * archivePages, (lane + 1) * archivePages);
      }
    },
    get free() {
      return free.length;
    },
  };
}
