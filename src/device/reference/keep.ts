// Which lanes a cut acts on, and what it does to them.
import { DEAD_NONE, DEAD_PENDING, PAGE_SLOTS } from "../device.ts";
import type { Given } from "./given.ts";
import { scoresOf } from "./state.ts";
import { keyAt, type LaneStore, laneOf, slotAt, writableSlot, writeKey } from "./store.ts";

/** Sorts the best first, NaN behind -Infinity. */
export function byRank(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a === b ? 0 : a > b ? -1 : 1; // equal infinities have no difference
}

/** A live key of the archive, or the pending one at slot `archive`. */
interface Ranked {
  lane: number;
  slot: number;
  position: number;
  score: number;
}

/** Live keys of a lane in slot order, the pending one last. */
function rankedKeys(store: LaneStore, lane: number): Ranked[] {
  const { archive, head, tail, dead, pending } = store;
  const [doomed, gone] = [tail.host[lane] - head.host[lane], dead.host[lane]];
  if (doomed !== 0 || gone !== DEAD_NONE)
    throw new Error(`lane ${lane}: expected no doomed key and no dead slot at a cut, got ${doomed} and ${gone}`);
  const end = archive.host[lane];
  const scores = scoresOf(store, lane, end + 1);
  return Array.from(scores, (score, slot) => {
    const position = slot < end ? store.positions[slotAt(store, "archive", lane, slot)] : pending.position[lane];
    return { lane, slot, position, score };
  });
}

const lanesOf = (store: LaneStore, set: number, layer: number, layers: number): number[] =>
  Array.from({ length: layers * store.shape.kvHeads }, (_, i) => laneOf(store, set, layer, 0) + i);

/** Do these lanes, which share their budgets, hold as many keys as a cut wants? */
const over = (store: LaneStore, lanes: number[], slack: number): boolean =>
  lanes.reduce((n, lane) => n + store.archive.host[lane] + 1 - store.budget.host[lane], 0) >= slack;

export type Acting = Pick<Given<"keep">, "lanes" | "layer" | "runs" | "slack" | "share">;

/** Lanes of a layer that a cut would act on. Of budgets shared over all layers that is not known yet: all of them. */
export function dueLanes({ lanes: store, layer, slack, share }: Acting, set: number): number[] {
  const lanes = lanesOf(store, set, layer, 1);
  if (share === "set") return lanes;
  if (share === "layer") return over(store, lanes, slack) ? lanes : [];
  return lanes.filter((lane) => over(store, [lane], slack));
}

export function keep(given: Given<"keep">): void {
  const { lanes: store, layer, layers, runs, slack, share } = given;
  for (const { set, position: newest } of runs) {
    const lanes = lanesOf(store, set, layer, layers);
    const parts = share === "lane" ? lanes.map((lane) => [lane]) : [lanes];
    for (const part of parts) if (over(store, part, slack)) cut(given, part, set, newest);
  }
}

/** Cuts lanes that share their budgets. */
function cut(given: Given<"keep">, lanes: number[], set: number, newest: number): void {
  const { lanes: store, recent: asked, floor, replace } = given;
  const recent = (lane: number) => (asked < 1 ? Math.floor(asked * store.budget.host[lane]) : asked);
  const safe = (key: Ranked) => key.position < store.protect.host[set] || key.position > newest - recent(key.lane);
  const better = (a: Ranked, b: Ranked) => byRank(a.score, b.score) || a.lane - b.lane || a.slot - b.slot;
  const kept = new Set<Ranked>();
  const rest: Ranked[] = [];
  let budget = 0;
  for (const lane of lanes) {
    const keys = rankedKeys(store, lane);
    for (const key of keys) if (safe(key)) kept.add(key);
    const own = lanes.length > 1 ? Math.floor(store.budget.host[lane] * floor) : 0;
    const before = keys.filter(safe).length;
    const others = keys.filter((key) => !safe(key)).sort(better);
    for (const key of others.splice(0, Math.max(0, own - before))) kept.add(key);
    rest.push(...others);
    budget += store.budget.host[lane];
  }
  rest.sort(better);
  for (const key of rest.slice(0, Math.max(0, budget - kept.size))) kept.add(key);
  for (const lane of lanes) {
    const gone = new Set<number>();
    for (const key of rest) if (key.lane === lane && !kept.has(key)) gone.add(key.slot);
    if (gone.size > 0) drop(store, lane, gone, replace);
  }
}

function drop(store: LaneStore, lane: number, gone: Set<number>, replace: boolean): void {
  const archive = store.archive.host[lane];
  const scores = scoresOf(store, lane, archive + 1);
  const pendingGone = gone.has(archive);
  if (replace && gone.size === 1 && !pendingGone) {
    const [slot] = gone;
    store.dead.host[lane] = slot;
    scores[slot] = scores[archive]; // the pending key will lie there
    return;
  }
  if (pendingGone) store.dead.host[lane] = DEAD_PENDING;
  const pending = scores[archive];
  const to = compact(store, lane, archive, scores, gone);
  scores[to] = pendingGone ? 0 : pending;
}

/** Closes the gaps, order kept; a page that others hold is copied before it is written. Returns the new end. */
function compact(store: LaneStore, lane: number, archive: number, scores: Float32Array, gone: Set<number>): number {
  const sources = Array.from({ length: archive }, (_, s) => slotAt(store, "archive", lane, s));
  let to = 0;
  for (let s = 0; s < archive; s++) {
    if (gone.has(s)) continue;
    if (s !== to) {
      writeKey(store, writableSlot(store, lane, to), keyAt(store, sources[s]));
      scores[to] = scores[s];
    }
    to++;
  }
  if (to < archive && to % PAGE_SLOTS) writableSlot(store, lane, to - 1); // the next key is written there
  store.archive.host[lane] = to;
  return to;
}
