// Which lanes a cut acts on, and what it does to them.
import { type Lanes, PAGE_SLOTS } from "../device.ts";
import type { Rule } from "../keeping.ts";
import { archiveSlot, copyPage, keyAt, type LaneStore, laneOf, takeSpare, writeKey } from "./lanes.ts";

/** `Board` with the numbers at hand. */
export interface Ranks {
  scores: Float32Array; // [lanes, stride]
  stride: number;
}

const DEAD_PENDING = -2;

/** Sorts the best first, NaN behind -Infinity. */
export function byRank(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a === b ? 0 : a > b ? -1 : 1; // equal infinities have no difference
}

/** A live key of the archive, or the pending one at slot `archive`. */
export interface Ranked {
  lane: number;
  slot: number;
  position: number;
}

/** Live keys of a lane in slot order, the pending one last. */
export function rankedKeys(store: LaneStore, lane: number): Ranked[] {
  if (store.tail.host[lane] !== store.head.host[lane] || store.dead.host[lane] !== -1)
    throw new Error(
      `lane ${lane}: expected no doomed key and no dead slot at a cut, got ${store.tail.host[lane] - store.head.host[lane]} and ${store.dead.host[lane]}`,
    );
  const archive = store.archive.host[lane];
  const keys = Array.from({ length: archive }, (_, slot) => ({
    lane,
    slot,
    position: store.positions[archiveSlot(store, lane, slot)],
  }));
  return [...keys, { lane, slot: archive, position: store.pending.position[lane] }];
}

const lanesOf = (store: LaneStore, set: number, layer: number, layers: number): number[] =>
  Array.from({ length: layers * store.shape.kvHeads }, (_, i) => laneOf(store, set, layer, 0) + i);

/** Does the rule act on these lanes (of one pool)? */
const over = (store: Lanes, lanes: number[], slack: number): boolean =>
  lanes.reduce((n, lane) => n + store.archive.host[lane] + 1 - store.budget.host[lane], 0) >= slack;

/** Lanes of a layer that a cut would act on. A pool over all layers is not known yet: all of them. */
export function dueLanes(store: LaneStore, set: number, layer: number, rule: Rule): number[] {
  const lanes = lanesOf(store, set, layer, 1);
  if (rule.pool === "set") return lanes;
  if (rule.pool === "layer") return over(store, lanes, rule.slack) ? lanes : [];
  return lanes.filter((lane) => over(store, [lane], rule.slack));
}

export function keep(
  ranks: Ranks,
  store: LaneStore,
  layer: number,
  layers: number,
  steps: Int32Array[],
  rule: Rule,
): void {
  for (const [set, , newest] of steps) {
    const lanes = lanesOf(store, set, layer, layers);
    const pools = rule.pool === "lane" ? lanes.map((lane) => [lane]) : [lanes];
    for (const pool of pools) if (over(store, pool, rule.slack)) cutPool(ranks, store, pool, set, newest, rule);
  }
}

function cutPool(ranks: Ranks, store: LaneStore, pool: number[], set: number, newest: number, rule: Rule): void {
  const rank = (key: Ranked) => ranks.scores[key.lane * ranks.stride + key.slot];
  const recent = (lane: number) => (rule.recent < 1 ? Math.floor(rule.recent * store.budget.host[lane]) : rule.recent);
  const safe = (key: Ranked) => key.position < store.protect.host[set] || key.position > newest - recent(key.lane);
  const better = (a: Ranked, b: Ranked) => byRank(rank(a), rank(b)) || a.lane - b.lane || a.slot - b.slot;
  const kept = new Set<Ranked>();
  const rest: Ranked[] = [];
  let budget = 0;
  for (const lane of pool) {
    const keys = rankedKeys(store, lane);
    for (const key of keys) if (safe(key)) kept.add(key);
    const own = pool.length > 1 ? Math.floor(store.budget.host[lane] * rule.floor) : 0;
    const before = keys.filter(safe).length;
    const others = keys.filter((key) => !safe(key)).sort(better);
    for (const key of others.splice(0, Math.max(0, own - before))) kept.add(key);
    rest.push(...others);
    budget += store.budget.host[lane];
  }
  rest.sort(better);
  for (const key of rest.slice(0, Math.max(0, budget - kept.size))) kept.add(key);
  for (const lane of pool) {
    const gone = new Set<number>();
    for (const key of rest) if (key.lane === lane && !kept.has(key)) gone.add(key.slot);
    if (gone.size > 0) drop(ranks, store, lane, gone, rule.replace);
  }
}

function drop(ranks: Ranks, store: LaneStore, lane: number, gone: Set<number>, replace: boolean): void {
  const archive = store.archive.host[lane];
  const row = lane * ranks.stride;
  const pendingGone = gone.has(archive);
  if (replace && gone.size === 1 && !pendingGone) {
    const [slot] = gone;
    store.dead.host[lane] = slot;
    ranks.scores[row + slot] = ranks.scores[row + archive]; // the pending key will lie there
    return;
  }
  if (pendingGone) store.dead.host[lane] = DEAD_PENDING;
  const to = compact(ranks, store, lane, archive, gone);
  ranks.scores[row + to] = pendingGone ? 0 : ranks.scores[row + archive];
}

/** Closes the gaps, order kept; a page that others hold is copied before it is written. Returns the new end. */
function compact(ranks: Ranks, store: LaneStore, lane: number, archive: number, gone: Set<number>): number {
  const table = store.archiveTable.host.subarray(lane * store.shape.archivePages);
  const sources = table.slice(0, Math.ceil(archive / PAGE_SLOTS));
  const own = (slot: number): number => {
    const entry = Math.floor(slot / PAGE_SLOTS);
    if (store.holders.host[table[entry]] > 1) {
      const page = takeSpare(store, lane, table[entry]);
      copyPage(store, table[entry], page);
      table[entry] = page;
    }
    return table[entry] * PAGE_SLOTS + (slot % PAGE_SLOTS);
  };
  let to = 0;
  for (let s = 0; s < archive; s++) {
    if (gone.has(s)) continue;
    if (s !== to) {
      writeKey(store, own(to), keyAt(store, sources[Math.floor(s / PAGE_SLOTS)] * PAGE_SLOTS + (s % PAGE_SLOTS)));
      ranks.scores[lane * ranks.stride + to] = ranks.scores[lane * ranks.stride + s];
    }
    to++;
  }
  if (to < archive && to % PAGE_SLOTS) own(to - 1); // the next key is written there
  store.archive.host[lane] = to;
  return to;
}
