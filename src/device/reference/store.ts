// The paged store: where keys lie, and what sets remember beside them.
import { roundBf16 } from "../../base/half.ts";
import {
  DEAD_PENDING,
  entryAt,
  type I32,
  type LaneShape,
  type Lanes,
  makeTables,
  PAGE_FORMATS,
  PAGE_SLOTS,
  type PageFormat,
} from "../device.ts";

/**
 * How the reference keeps a page format: numbers are rounded as keys come in, a full page's keys and values as it is
 * sealed.
 */
export interface StoredFormat extends PageFormat {
  round(x: number): number;
  /** keys, values [P, D], changed in place. */
  readonly seal?: (keys: Float32Array, values: Float32Array) => void;
}
export const BUILT_IN: readonly StoredFormat[] = [
  { ...PAGE_FORMATS.f32, round: (x) => x },
  { ...PAGE_FORMATS.bf16, round: roundBf16 },
];

/** What a set remembers beside its keys. */
export interface State {
  slots: number;
  scores: Float32Array; // [lanes of the set, slots]
  queries: number;
  q: Float32Array; // [layers, queries, Hq, D]: position p at p mod `queries`
  moments: Float64Array | null; // [layers, Hq, D + D * D]
  bounds: boolean;
  changes: Changes | null;
}

/** How far a set's hidden state moved at two layers, the early and the late one. */
export interface Changes {
  last: Float32Array[]; // 2 x [width]: of the newest token
  moved: Float32Array[]; // 2 x [positions]
  standing: Float32Array; // [positions]
}

export interface LaneStore extends Lanes {
  readonly format: StoredFormat;
  readonly keys: Float32Array; // [pages, P, D]
  readonly values: Float32Array; // [pages, P, D]
  readonly positions: Int32Array; // [pages, P]
  readonly sealed: Uint8Array; // [pages]
  readonly bounds: { least: Float32Array; most: Float32Array }[]; // [pages] of [D]
  readonly states: State[]; // [sets]
  readonly pending: {
    readonly keys: Float32Array; // [lanes, D]
    readonly values: Float32Array; // [lanes, D]
    readonly position: Int32Array; // [lanes] -1: none yet
    readonly z: Float32Array; // [lanes] the key's own gate, which labels it where shift is 0
  };
}

export interface Key {
  position: number;
  k: Float32Array; // [D]
  v: Float32Array; // [D]
}

export function laneStore(id: number, shape: LaneShape, format: StoredFormat, i32: (length: number) => I32): LaneStore {
  const { sets, layers, kvHeads, headDim, pages } = shape;
  const lanes = sets * layers * kvHeads;
  const slots = pages * PAGE_SLOTS;
  return {
    ...makeTables(shape, i32),
    id,
    shape,
    format,
    bytesPerPage: format.bytes(headDim),
    keys: new Float32Array(slots * headDim),
    values: new Float32Array(slots * headDim),
    positions: new Int32Array(slots),
    sealed: new Uint8Array(pages),
    bounds: new Array(pages),
    states: Array.from({ length: sets }, () => ({
      slots: 0,
      scores: NONE,
      queries: 0,
      q: NONE,
      moments: null,
      bounds: false,
      changes: null,
    })),
    pending: {
      keys: new Float32Array(lanes * headDim),
      values: new Float32Array(lanes * headDim),
      position: new Int32Array(lanes).fill(-1),
      z: new Float32Array(lanes),
    },
  };
}
const NONE = new Float32Array(0);

export function laneOf(store: LaneStore, set: number, layer: number, head: number): number {
  return (set * store.shape.layers + layer) * store.shape.kvHeads + head;
}

export function setOf({ shape }: LaneStore, lane: number): number {
  return Math.floor(lane / (shape.layers * shape.kvHeads));
}

/** A layer's lanes are ranked together: they must hold as many keys. */
export function alike(store: LaneStore, set: number, layer: number): void {
  const first = laneOf(store, set, layer, 0);
  const keys = (lane: number) => store.archive.host[lane] + 1;
  for (let lane = first + 1; lane < first + store.shape.kvHeads; lane++)
    if (keys(lane) !== keys(first))
      throw new Error(
        `lane ${lane}: expected as many keys as in lane ${first} where a layer's heads are ranked together, ` +
          `got ${keys(lane)} and ${keys(first)}; cut all lanes of a layer alike`,
      );
}

/** The two parts of a lane that lie in pages. */
export type Part = "archive" | "doomed";

const entryOf = ({ shape }: LaneStore, part: Part, s: number): number =>
  part === "archive" ? Math.floor(s / PAGE_SLOTS) : Math.floor(s / PAGE_SLOTS) % shape.doomedPages;

/** A part's table, and where the page of logical slot `s` stands in it. */
export function placeOf(store: LaneStore, part: Part, lane: number, s: number): { table: Int32Array; at: number } {
  const { shape, archiveTable, doomedTable } = store;
  const e = entryOf(store, part, s);
  return part === "archive"
    ? { table: archiveTable.host, at: entryAt(shape, shape.archivePages, lane, e) }
    : { table: doomedTable.host, at: entryAt(shape, shape.doomedPages, lane, e) };
}

export function pageOf(store: LaneStore, part: Part, lane: number, s: number): number {
  const { table, at } = placeOf(store, part, lane, s);
  return table[at];
}

/** Where logical slot `s` lies: page * P + slot in the page. */
export function slotAt(store: LaneStore, part: Part, lane: number, s: number): number {
  return pageOf(store, part, lane, s) * PAGE_SLOTS + (s % PAGE_SLOTS);
}

export function keyAt(store: LaneStore, at: number): Key {
  const d = store.shape.headDim;
  const part = (x: Float32Array) => x.subarray(at * d, (at + 1) * d);
  return { position: store.positions[at], k: part(store.keys), v: part(store.values) };
}

/** Writes a slot of an open page. */
export function writeKey(store: LaneStore, at: number, key: Key): void {
  const page = Math.floor(at / PAGE_SLOTS);
  if (store.sealed[page])
    throw new Error(`page ${page}: expected an open page, got one that format ${store.format.name} has sealed`);
  store.keys.set(key.k, at * store.shape.headDim);
  store.values.set(key.v, at * store.shape.headDim);
  store.positions[at] = key.position;
}

/** Writes the next slot of a lane's part; the page's last one seals it. */
export function appendKey(store: LaneStore, page: number, slot: number, key: Key): void {
  if (slot === 0) store.sealed[page] = 0;
  writeKey(store, page * PAGE_SLOTS + slot, key);
  if (slot < PAGE_SLOTS - 1 || !store.format.seal) return;
  const width = PAGE_SLOTS * store.shape.headDim;
  const part = (x: Float32Array) => x.subarray(page * width, (page + 1) * width);
  store.format.seal(part(store.keys), part(store.values));
  store.sealed[page] = 1;
}

export function copyPage(store: LaneStore, from: number, to: number): void {
  store.sealed[to] = 0;
  for (let s = 0; s < PAGE_SLOTS; s++) writeKey(store, to * PAGE_SLOTS + s, keyAt(store, from * PAGE_SLOTS + s));
  store.sealed[to] = store.sealed[from];
}

/** The page of a slot, replaced by a copy where others hold it too. */
export function writablePage(store: LaneStore, part: Part, lane: number, s: number): number {
  const page = pageOf(store, part, lane, s);
  if (store.holders.host[page] > 1) copyPage(store, page, takeSpare(store, part, lane, s, page));
  return pageOf(store, part, lane, s);
}

/** Where slot `s` lies, in a page that no other lane holds. */
export function writableSlot(store: LaneStore, lane: number, s: number): number {
  return writablePage(store, "archive", lane, s) * PAGE_SLOTS + (s % PAGE_SLOTS);
}

/** Puts a spare where slot `s` lies; `instead` is the page that stood there, or -1. */
export function takeSpare(store: LaneStore, part: Part, lane: number, s: number, instead: number): number {
  const index = store.used.host[lane];
  if (index >= store.spares.host[lane])
    throw new Error(`lane ${lane}: expected a spare page at ${index}, got none; the plan gave this lane too few pages`);
  const spare = store.firstSpare.host[lane] + index;
  const page = store.spare.host[spare];
  const { table, at } = placeOf(store, part, lane, s);
  const e = entryOf(store, part, s);
  table[at] = page;
  store.spare.host[spare] = instead;
  store.places.host[spare] = part === "archive" ? e : -1 - e;
  store.used.host[lane]++;
  return page;
}

/** Archive slots of live keys. */
export function archiveSlots(store: LaneStore, lane: number): number[] {
  const slots = [];
  for (let s = 0; s < store.archive.host[lane]; s++) if (s !== store.dead.host[lane]) slots.push(s);
  return slots;
}

/** Keys of the archive in slot order, the dead one left out. */
export function archiveKeys(store: LaneStore, lane: number): Key[] {
  return archiveSlots(store, lane).map((s) => keyAt(store, slotAt(store, "archive", lane, s)));
}

/** Keys of the doomed queue, oldest first. */
export function doomedKeys(store: LaneStore, lane: number): Key[] {
  const keys: Key[] = [];
  for (let s = store.head.host[lane]; s < store.tail.host[lane]; s++)
    keys.push(keyAt(store, slotAt(store, "doomed", lane, s)));
  return keys;
}

/** The pending key, unless there is none or a victim policy took it. */
export function pendingKey(store: LaneStore, lane: number): Key | null {
  const { pending, shape } = store;
  if (pending.position[lane] < 0 || store.dead.host[lane] === DEAD_PENDING) return null;
  const part = (x: Float32Array) => x.subarray(lane * shape.headDim, (lane + 1) * shape.headDim);
  return { position: pending.position[lane], k: part(pending.keys), v: part(pending.values) };
}

/** Live keys of the archive, the pending one last. */
export function liveKeys(store: LaneStore, lane: number): Key[] {
  const pending = pendingKey(store, lane);
  return [...archiveKeys(store, lane), ...(pending ? [pending] : [])];
}
