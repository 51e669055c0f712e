// What policies have a set remember on the device.
import { fail } from "../checks.ts";
import type { SetState } from "../device.ts";
import { archiveSlots, type Changes, type LaneStore, pendingKey, type State, setOf } from "./store.ts";

export function attach(store: LaneStore, set: number, asked: SetState): void {
  const { slots, queries, moments, bounds, changes, width } = asked;
  const { layers, kvHeads, queryHeads, headDim: D } = store.shape;
  const old = store.states[set];
  const state: State = {
    slots,
    scores: new Float32Array(layers * kvHeads * slots),
    queries,
    q: new Float32Array(layers * queries * queryHeads * D),
    moments: moments ? (old.moments ?? new Float64Array(layers * queryHeads * (D + D * D))) : null,
    bounds,
    changes: changes > 0 ? { last: two(width), moved: two(changes), standing: new Float32Array(changes) } : null,
  };
  store.states[set] = state;
  for (let i = 0; i < layers * kvHeads; i++)
    state.scores.set(old.scores.subarray(i * old.slots, i * old.slots + Math.min(slots, old.slots)), i * slots);
  copyQueries(store, set, old, state);
  copyChanges(old.changes, state.changes);
}

const two = (length: number): Float32Array[] => [new Float32Array(length), new Float32Array(length)];

/** What two sets (or a set's old and new state) have both room for. */
function copyChanges(from: Changes | null, to: Changes | null): void {
  if (!from || !to) return;
  const copy = (a: Float32Array, b: Float32Array) => b.set(a.subarray(0, b.length));
  for (const i of [0, 1]) {
    copy(from.last[i], to.last[i]);
    copy(from.moved[i], to.moved[i]);
  }
  copy(from.standing, to.standing);
}

/** Copies what both of two sets (or a set's old and new state) have. */
export function forkState(store: LaneStore, source: number, target: number): void {
  const [from, to] = [store.states[source], store.states[target]];
  const width = store.shape.layers * store.shape.kvHeads;
  for (let i = 0; i < width; i++) {
    const keys = Math.min(store.archive.host[source * width + i] + 1, from.slots, to.slots);
    to.scores.set(from.scores.subarray(i * from.slots, i * from.slots + keys), i * to.slots);
  }
  copyQueries(store, source, from, to);
  if (from.moments && to.moments) to.moments.set(from.moments);
  copyChanges(from.changes, to.changes);
}

/** Copies the newest queries of set `set` that both have room for. */
function copyQueries(store: LaneStore, set: number, from: State, to: State): void {
  const { layers, kvHeads, queryHeads, headDim } = store.shape;
  const width = queryHeads * headDim;
  for (let layer = 0; layer < layers; layer++) {
    const newest = store.pending.position[(set * layers + layer) * kvHeads];
    const count = Math.min(from.queries, to.queries, newest + 1);
    for (let p = newest - count + 1; p <= newest; p++) {
      const at = (layer * from.queries + (p % from.queries)) * width;
      to.q.set(from.q.subarray(at, at + width), (layer * to.queries + (p % to.queries)) * width);
    }
  }
}

/** Everything that a lane has room for, by archive slot. */
function roomOf(store: LaneStore, lane: number): Float32Array {
  const { slots, scores } = store.states[setOf(store, lane)];
  const at = (lane % (store.shape.layers * store.shape.kvHeads)) * slots;
  return scores.subarray(at, at + slots);
}

/** Scores of a lane's keys by archive slot: `keys` of them. */
export function scoresOf(store: LaneStore, lane: number, keys: number): Float32Array {
  const room = roomOf(store, lane);
  if (keys > room.length) throw missing(setOf(store, lane), `scores of at least ${keys} keys`, room.length);
  return room.subarray(0, keys);
}

/** Slots of live keys, the pending one's last. */
function liveSlots(store: LaneStore, lane: number): number[] {
  return [...archiveSlots(store, lane), ...(pendingKey(store, lane) ? [store.archive.host[lane]] : [])];
}

/** Scores of live keys, zeros where the set has none. */
export function readScores(store: LaneStore, lane: number): Float32Array {
  const room = roomOf(store, lane);
  return Float32Array.from(liveSlots(store, lane), (s) => room[s] ?? 0);
}

export function writeScores(store: LaneStore, lane: number, scores: Float32Array): void {
  const slots = liveSlots(store, lane);
  if (scores.length !== slots.length) fail("score", `as many scores as live keys, ${slots.length}`, `${scores.length}`);
  const room = scoresOf(store, lane, store.archive.host[lane] + 1);
  for (const [i, s] of slots.entries()) room[s] = scores[i];
}

/** The place of one layer's query at `position`, [Hq, D]; the set keeps at least `queries`. */
export function queryOf(store: LaneStore, set: number, layer: number, position: number, queries: number): Float32Array {
  const { queryHeads, headDim } = store.shape;
  const state = store.states[set];
  if (queries > state.queries) throw missing(set, `at least ${queries} observed queries`, state.queries);
  const at = (layer * state.queries + (position % state.queries)) * queryHeads * headDim;
  return state.q.subarray(at, at + queryHeads * headDim);
}

/** Moments of one query head, [D + D * D]. */
export function momentsOf(store: LaneStore, set: number, layer: number, head: number): Float64Array {
  const { moments } = store.states[set];
  if (!moments) throw missing(set, "moments of queries", "none");
  const { queryHeads, headDim: D } = store.shape;
  const at = (layer * queryHeads + head) * (D + D * D);
  return moments.subarray(at, at + D + D * D);
}

/** Changes of a set's hidden state, with room for `positions`; `width`: numbers of a state that comes. */
export function changesOf({ states }: LaneStore, set: number, positions: number, width?: number): Changes {
  const { changes } = states[set];
  const room = changes?.standing.length ?? 0;
  if (!changes || room < positions) throw missing(set, `changes at ${positions} positions or more`, room);
  const held = changes.last[0].length;
  if (width !== undefined && width !== held) throw missing(set, `hidden states of ${width} numbers`, held);
  return changes;
}

export function needBounds(store: LaneStore, set: number): void {
  if (!store.states[set].bounds) throw missing(set, "bounds of pages", "none");
}

function missing(set: number, expected: string, got: number | string): Error {
  return new Error(`set ${set}: expected ${expected} on the device, got ${got}; attach them`);
}
