// The paged store: archive, doomed and pending of every lane, and the operations that move keys between them.
import { roundBf16 } from "../../base/half.ts";
import { type I32, type LaneShape, type Lanes, PAGE_SLOTS } from "../device.ts";

export interface LaneStore extends Lanes {
  readonly keys: Float32Array; // [pages, P, D]
  readonly values: Float32Array; // [pages, P, D]
  readonly positions: Int32Array; // [pages, P]
  readonly pending: {
    readonly keys: Float32Array; // [lanes, D]
    readonly values: Float32Array; // [lanes, D]
    readonly position: Int32Array; // [lanes] -1: none yet
    readonly z: Float32Array; // [lanes] the key's own gate, which labels it where shift is 0
  };
}

/** `Labels` with the numbers at hand. */
export interface Gates {
  z: Float32Array; // [rows, Hkv]
  threshold: number;
  window: number;
  shift: 0 | 1;
}

export interface Key {
  position: number;
  k: Float32Array; // [D]
  v: Float32Array; // [D]
}
export interface LabelledKey extends Key {
  labelled: boolean;
}

const DEAD_NONE = -1;
const DEAD_PENDING = -2;

export function laneStore(id: number, shape: LaneShape, i32: (length: number) => I32): LaneStore {
  const { sets, layers, kvHeads, headDim, pages, dtype } = shape;
  const lanes = sets * layers * kvHeads;
  const slots = pages * PAGE_SLOTS;
  const filled = (length: number) => {
    const buffer = i32(length);
    buffer.host.fill(-1);
    return buffer;
  };
  return {
    id,
    shape,
    bytesPerPage: PAGE_SLOTS * (2 * headDim * (dtype === "bf16" ? 2 : 4) + 4),
    archive: i32(lanes),
    head: i32(lanes),
    tail: i32(lanes),
    budget: i32(lanes),
    protect: i32(sets),
    dead: filled(lanes),
    archiveTable: filled(lanes * shape.archivePages),
    doomedTable: filled(lanes * shape.doomedPages),
    spare: filled(lanes * shape.sparePages),
    used: i32(lanes),
    holders: i32(pages),
    reads: i32(lanes),
    physical: i32(layers * kvHeads),
    keys: new Float32Array(slots * headDim),
    values: new Float32Array(slots * headDim),
    positions: new Int32Array(slots),
    pending: {
      keys: new Float32Array(lanes * headDim),
      values: new Float32Array(lanes * headDim),
      position: new Int32Array(lanes).fill(-1),
      z: new Float32Array(lanes),
    },
  };
}

export function laneOf(store: LaneStore, set: number, layer: number, head: number): number {
  return (set * store.shape.layers + layer) * store.shape.kvHeads + head;
}

/** A layer's lanes are ranked together: they must hold as many keys. */
export function alike(store: LaneStore, set: number, layer: number): void {
  const first = laneOf(store, set, layer, 0);
  for (let lane = first + 1; lane < first + store.shape.kvHeads; lane++)
    if (store.archive.host[lane] !== store.archive.host[first])
      throw new Error(
        `lane ${lane}: expected as many keys as in lane ${first} where a layer's heads are ranked together, got ${store.archive.host[lane] + 1} and ${store.archive.host[first] + 1}; cut all lanes of a layer alike`,
      );
}

/** Where archive slot `s` lies: page * P + slot in the page. */
export function archiveSlot(store: LaneStore, lane: number, s: number): number {
  const entry = lane * store.shape.archivePages + Math.floor(s / PAGE_SLOTS);
  return store.archiveTable.host[entry] * PAGE_SLOTS + (s % PAGE_SLOTS);
}

function doomedSlot(store: LaneStore, lane: number, s: number): number {
  return store.doomedTable.host[doomedEntry(store, lane, s)] * PAGE_SLOTS + (s % PAGE_SLOTS);
}

function doomedEntry(store: LaneStore, lane: number, s: number): number {
  const { doomedPages } = store.shape;
  return lane * doomedPages + (Math.floor(s / PAGE_SLOTS) % doomedPages);
}

export function keyAt(store: LaneStore, at: number): Key {
  const d = store.shape.headDim;
  const part = (x: Float32Array) => x.subarray(at * d, (at + 1) * d);
  return { position: store.positions[at], k: part(store.keys), v: part(store.values) };
}

export function writeKey(store: LaneStore, at: number, key: Key): void {
  store.keys.set(key.k, at * store.shape.headDim);
  store.values.set(key.v, at * store.shape.headDim);
  store.positions[at] = key.position;
}

/** Keys of the archive in slot order, the dead one left out. */
export function archiveKeys(store: LaneStore, lane: number): Key[] {
  const keys: Key[] = [];
  for (let s = 0; s < store.archive.host[lane]; s++) {
    if (s !== store.dead.host[lane]) keys.push(keyAt(store, archiveSlot(store, lane, s)));
  }
  return keys;
}

/** Keys of the doomed queue, oldest first. */
export function doomedKeys(store: LaneStore, lane: number): Key[] {
  const keys: Key[] = [];
  for (let s = store.head.host[lane]; s < store.tail.host[lane]; s++)
    keys.push(keyAt(store, doomedSlot(store, lane, s)));
  return keys;
}

/** The pending key, unless there is none or a victim policy took it. */
export function pendingKey(store: LaneStore, lane: number): Key | null {
  const { pending, shape } = store;
  if (pending.position[lane] < 0 || store.dead.host[lane] === DEAD_PENDING) return null;
  const part = (x: Float32Array) => x.subarray(lane * shape.headDim, (lane + 1) * shape.headDim);
  return { position: pending.position[lane], k: part(pending.keys), v: part(pending.values) };
}

/** The pending key as the predecessor of `position`; position 0 starts a chain, whatever the set held before. */
function predecessor(store: LaneStore, lane: number, position: number): Key | null {
  const key = position === 0 ? null : pendingKey(store, lane);
  if (key && key.position !== position - 1) {
    throw new Error(`lane ${lane}: expected position ${key.position + 1} after the pending key, got ${position}`);
  }
  return key;
}

/** The key of `row`, head `h`, rounded to what the lanes store. */
function rowKey(store: LaneStore, k: Float32Array, v: Float32Array, row: number, h: number, position: number): Key {
  const { kvHeads, headDim, dtype } = store.shape;
  const part = (x: Float32Array) => {
    const copy = x.slice((row * kvHeads + h) * headDim, (row * kvHeads + h + 1) * headDim);
    return dtype === "bf16" ? copy.map(roundBf16) : copy;
  };
  return { position, k: part(k), v: part(v) };
}

/** The pending key, then the chunk's keys, with the labels that this chunk's gates give; the last key has none yet. */
export function chunkKeys(
  store: LaneStore,
  k: Float32Array,
  v: Float32Array,
  lane: number,
  h: number,
  chunk: Int32Array,
  gates: Gates | null,
): LabelledKey[] {
  const [, firstRow, rows, first] = chunk;
  const over = (row: number) => gates !== null && gates.z[row * store.shape.kvHeads + h] > gates.threshold;
  const keys: LabelledKey[] = [];
  const before = predecessor(store, lane, first);
  if (before) keys.push({ ...before, labelled: pendingLabelled(store, lane, h, firstRow, gates) });
  for (let i = 0; i < rows; i++) {
    const row = firstRow + i;
    const labelled = i < rows - 1 && over(gates?.shift === 1 ? row + 1 : row);
    keys.push({ ...rowKey(store, k, v, row, h, first + i), labelled });
  }
  return keys;
}

/** `row` is that of the token after the pending key. */
function pendingLabelled(store: LaneStore, lane: number, h: number, row: number, gates: Gates | null): boolean {
  if (!gates) return false;
  const z = gates.shift === 1 ? gates.z[row * store.shape.kvHeads + h] : store.pending.z[lane];
  return z > gates.threshold;
}

export function admitChunk(
  k: Float32Array,
  v: Float32Array,
  store: LaneStore,
  layer: number,
  chunk: Int32Array,
  gates: Gates | null,
): void {
  const [set, firstRow, rows, first] = chunk;
  if (rows === 0) return;
  const last = first + rows - 1;
  for (let h = 0; h < store.shape.kvHeads; h++) {
    const lane = laneOf(store, set, layer, h);
    const keys = chunkKeys(store, k, v, lane, h, chunk, gates);
    dropDoomed(store, lane, last, gates);
    for (const key of keys.slice(0, -1)) settle(store, lane, key, last, gates);
    setPending(store, lane, keys[keys.length - 1], h, firstRow + rows - 1, gates);
  }
}

export function admit(
  k: Float32Array,
  v: Float32Array,
  store: LaneStore,
  layer: number,
  step: Int32Array,
  gates: Gates | null,
): void {
  const [set, row, position] = step;
  for (let h = 0; h < store.shape.kvHeads; h++) {
    const lane = laneOf(store, set, layer, h);
    dropDoomed(store, lane, position, gates);
    const before = predecessor(store, lane, position);
    if (before)
      settle(store, lane, { ...before, labelled: pendingLabelled(store, lane, h, row, gates) }, position, gates);
    setPending(store, lane, rowKey(store, k, v, row, h, position), h, row, gates);
  }
}

/** Drops the doomed keys that the query at `last` and later ones do not see. Without gates there is no window: all stay. */
function dropDoomed(store: LaneStore, lane: number, last: number, gates: Gates | null): void {
  if (!gates) return;
  const { head, tail } = store;
  while (head.host[lane] < tail.host[lane]) {
    if (store.positions[doomedSlot(store, lane, head.host[lane])] >= last - gates.window) return;
    head.host[lane]++;
  }
}

/** Gives a key its place: the dead slot, the archive, the doomed queue, or none. */
function settle(store: LaneStore, lane: number, key: LabelledKey, last: number, gates: Gates | null): void {
  const { archive, tail, dead, shape } = store;
  if (dead.host[lane] >= 0) {
    const s = dead.host[lane];
    const entry = lane * shape.archivePages + Math.floor(s / PAGE_SLOTS);
    writeKey(store, writablePage(store, lane, store.archiveTable, entry) * PAGE_SLOTS + (s % PAGE_SLOTS), key);
    dead.host[lane] = DEAD_NONE;
  } else if (!key.labelled) {
    const s = archive.host[lane];
    if (s >= shape.archivePages * PAGE_SLOTS) {
      throw new Error(`lane ${lane}: archive of ${shape.archivePages} pages is full at slot ${s}; plan more pages`);
    }
    const page = appendPage(store, lane, store.archiveTable, lane * shape.archivePages + Math.floor(s / PAGE_SLOTS), s);
    writeKey(store, page * PAGE_SLOTS + (s % PAGE_SLOTS), key);
    archive.host[lane]++;
  } else if (gates && key.position >= last - gates.window) {
    const s = tail.host[lane];
    if (Math.floor(s / PAGE_SLOTS) - Math.floor(store.head.host[lane] / PAGE_SLOTS) >= shape.doomedPages) {
      throw new Error(`lane ${lane}: ring of ${shape.doomedPages} doomed pages is full at slot ${s}; plan more pages`);
    }
    const page = appendPage(store, lane, store.doomedTable, doomedEntry(store, lane, s), s);
    writeKey(store, page * PAGE_SLOTS + (s % PAGE_SLOTS), key);
    tail.host[lane]++;
  }
}

function setPending(store: LaneStore, lane: number, key: Key, h: number, row: number, gates: Gates | null): void {
  const { pending, shape } = store;
  pending.keys.set(key.k, lane * shape.headDim);
  pending.values.set(key.v, lane * shape.headDim);
  pending.position[lane] = key.position;
  pending.z[lane] = gates ? gates.z[row * shape.kvHeads + h] : 0;
  if (store.dead.host[lane] === DEAD_PENDING) store.dead.host[lane] = DEAD_NONE;
}

/** The page that slot `s`, the next of its part, goes to: where it opens a page, one that a cut left behind, or a spare. */
function appendPage(store: LaneStore, lane: number, table: I32, entry: number, s: number): number {
  if (s % PAGE_SLOTS !== 0) return writablePage(store, lane, table, entry);
  const left = table === store.archiveTable ? table.host[entry] : -1;
  if (left < 0 || store.holders.host[left] > 1) table.host[entry] = takeSpare(store, lane, left);
  return table.host[entry];
}

/** The page of a table entry, replaced by a copy where others hold it too. */
function writablePage(store: LaneStore, lane: number, table: I32, entry: number): number {
  const page = table.host[entry];
  if (store.holders.host[page] > 1) {
    table.host[entry] = takeSpare(store, lane, page);
    copyPage(store, page, table.host[entry]);
  }
  return table.host[entry];
}

export function takeSpare(store: LaneStore, lane: number, instead: number): number {
  const { sparePages } = store.shape;
  const index = store.used.host[lane];
  const at = lane * sparePages + index;
  const page = index < sparePages ? store.spare.host[at] : -1;
  if (page < 0) {
    throw new Error(`lane ${lane}: expected a spare page at ${index}, got none; the plan gave this lane too few pages`);
  }
  store.spare.host[at] = instead;
  store.used.host[lane]++;
  return page;
}

export function copyPage(store: LaneStore, from: number, to: number): void {
  for (let s = 0; s < PAGE_SLOTS; s++) writeKey(store, to * PAGE_SLOTS + s, keyAt(store, from * PAGE_SLOTS + s));
}

/** The host has given `destination` its tables and counters; what is left are the pages that both would write. */
export function fork(store: LaneStore, source: number, destination: number): void {
  const { layers, kvHeads, headDim, archivePages } = store.shape;
  const { pending } = store;
  const copyWhereDiffering = (table: Int32Array, from: number, to: number) => {
    if (table[from] !== table[to]) copyPage(store, table[from], table[to]);
  };
  for (let i = 0; i < layers * kvHeads; i++) {
    const from = source * layers * kvHeads + i;
    const to = destination * layers * kvHeads + i;
    const pages = Math.ceil(store.archive.host[from] / PAGE_SLOTS);
    if (pages > 0)
      copyWhereDiffering(store.archiveTable.host, from * archivePages + pages - 1, to * archivePages + pages - 1);
    const [head, tail] = [store.head.host[from], store.tail.host[from]];
    // A page that the head is still in stays held even when no key in it lives: the tail goes on there.
    if (Math.ceil(tail / PAGE_SLOTS) > Math.floor(head / PAGE_SLOTS)) {
      copyWhereDiffering(store.doomedTable.host, doomedEntry(store, from, tail - 1), doomedEntry(store, to, tail - 1));
    }
    pending.keys.copyWithin(to * headDim, from * headDim, (from + 1) * headDim);
    pending.values.copyWithin(to * headDim, from * headDim, (from + 1) * headDim);
    pending.position[to] = pending.position[from];
    pending.z[to] = pending.z[from];
  }
}

export function live(store: LaneStore, lane: number): Int32Array {
  const pending = pendingKey(store, lane);
  const keys = [...archiveKeys(store, lane), ...doomedKeys(store, lane), ...(pending ? [pending] : [])];
  return Int32Array.from(keys, (key) => key.position).sort();
}
