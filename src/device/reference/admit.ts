// Keys come in, move to the part that their labels say, and are copied where sets fork.
import { DEAD_NONE, DEAD_PENDING, NO_LABELS, PAGE_SLOTS } from "../device.ts";
import type { Given, Run } from "./given.ts";
import { forkState } from "./state.ts";
import {
  appendKey,
  copyPage,
  type Key,
  type LaneStore,
  laneOf,
  liveKeys,
  type Part,
  pageOf,
  pendingKey,
  slotAt,
  takeSpare,
  writablePage,
  writableSlot,
  writeKey,
} from "./store.ts";

/** How a set's keys are labelled. */
export interface Gates {
  z: Float32Array; // [rows, Hkv]
  threshold: number;
  window: number;
  shift: number;
}

export interface LabelledKey extends Key {
  labelled: boolean;
}

/** Null where no key of the set is labelled. */
export function gatesOf(store: LaneStore, set: number, z: Float32Array | null): Gates | null {
  const window = store.window.host[set];
  if (!z || window === NO_LABELS) return null;
  const [threshold] = new Float32Array(store.threshold.host.slice(set, set + 1).buffer);
  return { z, window, threshold, shift: store.shift.host[set] };
}

/** The pending key as the predecessor of `position`; position 0 starts a chain, whatever the set held before. */
function predecessor(store: LaneStore, lane: number, position: number): Key | null {
  const key = position === 0 ? null : pendingKey(store, lane);
  if (key && key.position !== position - 1) {
    throw new Error(`lane ${lane}: expected position ${key.position + 1} after the pending key, got ${position}`);
  }
  return key;
}

/** Rows [rows, Hkv, D] as keys of head `h`, rounded to what the lanes store. */
export function rowKeys(store: LaneStore, k: Float32Array, v: Float32Array, { row, rows, position }: Run, h: number) {
  const { kvHeads, headDim } = store.shape;
  const part = (x: Float32Array, r: number) =>
    x.slice((r * kvHeads + h) * headDim, (r * kvHeads + h + 1) * headDim).map(store.format.round);
  return Array.from({ length: rows }, (_, i): Key => {
    return { position: position + i, k: part(k, row + i), v: part(v, row + i) };
  });
}

/** The pending key, then the run's keys, with the labels that this run's gates give; the last key has none yet. */
export function labelKeys(
  store: LaneStore,
  keys: readonly Key[],
  lane: number,
  h: number,
  { row, position }: Run,
  gates: Gates | null,
): LabelledKey[] {
  const { kvHeads } = store.shape;
  const over = (z: number) => gates !== null && z > gates.threshold;
  const gate = (r: number) => (gates ? gates.z[r * kvHeads + h] : 0);
  const before = predecessor(store, lane, position);
  const own = gates?.shift === 1 ? gate(row) : store.pending.z[lane];
  return [
    ...(before ? [{ ...before, labelled: over(own) }] : []),
    ...keys.map((key, i) => ({ ...key, labelled: i < keys.length - 1 && over(gate(row + i + (gates?.shift ?? 0))) })),
  ];
}

export function admit({ k, v, z, lanes, layer, runs }: Given<"admit">): void {
  for (const run of runs)
    for (let h = 0; h < lanes.shape.kvHeads; h++) admitKeys(lanes, layer, h, run, rowKeys(lanes, k, v, run, h), z);
}

export function readmit({ z, lanes, layer, copies }: Given<"readmit">): void {
  for (const run of copies)
    for (let h = 0; h < lanes.shape.kvHeads; h++) {
      const source = laneOf(lanes, run.source, layer, h);
      const { position: first, rows } = run;
      const keys = liveKeys(lanes, source);
      inOrder(source, keys, first + rows);
      admitKeys(lanes, layer, h, run, keys.slice(first, first + rows), z);
    }
}

/** Throws unless these are keys of the first positions, `count` at least, each in the slot of its position. */
export function inOrder(lane: number, keys: readonly Key[], count: number): void {
  if (keys.length < count || keys.some(({ position }, s) => position !== s))
    throw new Error(
      `lane ${lane}: expected every key up to position ${count - 1} in its own slot, got ${keys.length} keys; ` +
        "nothing may leave before",
    );
}

function admitKeys(store: LaneStore, layer: number, h: number, run: Run, keys: Key[], z: Float32Array | null): void {
  if (keys.length === 0) return;
  const lane = laneOf(store, run.set, layer, h);
  const gates = gatesOf(store, run.set, z);
  const last = run.position + run.rows - 1;
  const labelled = labelKeys(store, keys, lane, h, run, gates);
  dropDoomed(store, lane, last, gates);
  for (const key of labelled.slice(0, -1)) settle(store, lane, key, last, gates);
  setPending(
    store,
    lane,
    labelled[labelled.length - 1],
    gates ? gates.z[(run.row + run.rows - 1) * store.shape.kvHeads + h] : 0,
  );
}

/**
 * Drops the doomed keys that the query at `last` and later ones do not see. Without gates there is no window: all stay.
 */
function dropDoomed(store: LaneStore, lane: number, last: number, gates: Gates | null): void {
  if (!gates) return;
  const { head, tail } = store;
  while (head.host[lane] < tail.host[lane]) {
    if (store.positions[slotAt(store, "doomed", lane, head.host[lane])] >= last - gates.window) return;
    head.host[lane]++;
  }
}

/** Gives a key its place: the dead slot, the archive, the doomed queue, or none. */
function settle(store: LaneStore, lane: number, key: LabelledKey, last: number, gates: Gates | null): void {
  const { archive, head, tail, dead, shape } = store;
  if (dead.host[lane] >= 0) {
    const s = dead.host[lane];
    writeKey(store, writableSlot(store, lane, s), key);
    dead.host[lane] = DEAD_NONE;
  } else if (!key.labelled) {
    const s = archive.host[lane];
    if (s >= shape.archivePages * PAGE_SLOTS) {
      throw new Error(`lane ${lane}: archive of ${shape.archivePages} pages is full at slot ${s}; plan more pages`);
    }
    append(store, "archive", lane, s, key);
    archive.host[lane]++;
  } else if (gates && key.position >= last - gates.window) {
    const s = tail.host[lane];
    if (Math.floor(s / PAGE_SLOTS) - Math.floor(head.host[lane] / PAGE_SLOTS) >= shape.doomedPages) {
      throw new Error(`lane ${lane}: ring of ${shape.doomedPages} doomed pages is full at slot ${s}; plan more pages`);
    }
    append(store, "doomed", lane, s, key);
    tail.host[lane]++;
  }
}

function setPending(store: LaneStore, lane: number, key: Key, z: number): void {
  const { pending, shape } = store;
  pending.keys.set(key.k, lane * shape.headDim);
  pending.values.set(key.v, lane * shape.headDim);
  pending.position[lane] = key.position;
  pending.z[lane] = z;
  if (store.dead.host[lane] === DEAD_PENDING) store.dead.host[lane] = DEAD_NONE;
}

/** Writes slot `s`, the next of its part: where it opens a page, into one that a cut left behind, or a spare. */
function append(store: LaneStore, part: Part, lane: number, s: number, key: Key): void {
  const { held, holders } = store;
  if (s % PAGE_SLOTS !== 0) writablePage(store, part, lane, s);
  else if (part === "archive" && s / PAGE_SLOTS < held.host[lane]) {
    const left = pageOf(store, part, lane, s);
    if (holders.host[left] > 1) takeSpare(store, part, lane, s, left);
  } else {
    takeSpare(store, part, lane, s, -1);
    if (part === "archive") held.host[lane]++;
  }
  appendKey(store, pageOf(store, part, lane, s), s % PAGE_SLOTS, key);
}

/**
 * The host has given each pair's second set its tables and counters; what is left are the pages that both would write.
 */
export function fork({ lanes, pairs }: Given<"fork">): void {
  const { layers, kvHeads } = lanes.shape;
  const width = layers * kvHeads;
  for (const { source, set } of pairs) {
    for (let i = 0; i < width; i++) forkLane(lanes, source * width + i, set * width + i);
    forkState(lanes, source, set);
  }
}

function forkLane(store: LaneStore, from: number, to: number): void {
  const { pending, shape } = store;
  const copyWhereDiffering = (part: Part, s: number) => {
    const [a, b] = [pageOf(store, part, from, s), pageOf(store, part, to, s)];
    if (a !== b) copyPage(store, a, b);
  };
  const archive = store.archive.host[from];
  if (archive > 0) copyWhereDiffering("archive", archive - 1);
  const [head, tail] = [store.head.host[from], store.tail.host[from]];
  // A page that the head is still in stays held even when no key in it lives: the tail goes on there.
  if (Math.ceil(tail / PAGE_SLOTS) > Math.floor(head / PAGE_SLOTS)) copyWhereDiffering("doomed", tail - 1);
  for (const x of [pending.keys, pending.values])
    x.copyWithin(to * shape.headDim, from * shape.headDim, (from + 1) * shape.headDim);
  pending.position[to] = pending.position[from];
  pending.z[to] = pending.z[from];
}
