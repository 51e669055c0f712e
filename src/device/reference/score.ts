// How policies rank the live keys of a lane.
import { uniform } from "../../base/rng.ts";
import type { OpName } from "../ops.ts";
import { headsOf, logits, probabilities } from "./attention.ts";
import type { Given } from "./given.ts";
import { type Acting, byRank, dueLanes } from "./keep.ts";
import { changesOf, momentsOf, queryOf, scoresOf } from "./state.ts";
import { alike, type Key, type LaneStore, laneOf, liveKeys } from "./store.ts";

/** What a scorer is told of one lane. */
interface View {
  store: LaneStore;
  set: number;
  layer: number;
  head: number;
  lane: number;
  newest: number;
  keys: Key[]; // live, in slot order, the pending one last
  scores: Float32Array; // [keys]
}
type Scoring = Extract<OpName, `score${string}`>;

/** An operation that writes what `rank` says of each lane that is due. */
const scorer =
  <K extends Scoring>(rank: (view: View, given: Given<K>) => number[]) =>
  (given: Given<K> & Acting): void => {
    const { lanes: store, layer, runs } = given;
    for (const { set, position: newest } of runs)
      for (const lane of dueLanes(given, set)) {
        const keys = liveKeys(store, lane);
        if (keys.length <= store.archive.host[lane])
          throw new Error(
            `lane ${lane}: expected no dead key where keys are ranked, got slot ${store.dead.host[lane]}`,
          );
        const scores = scoresOf(store, lane, keys.length);
        scores.set(rank({ store, set, layer, head: lane % store.shape.kvHeads, lane, newest, keys, scores }, given));
      }
  };

const dot = (a: Float32Array | number[], b: Float32Array | number[]): number => {
  let total = 0;
  for (let d = 0; d < a.length; d++) total += a[d] * b[d];
  return total;
};
const length = (x: Float32Array): number => Math.sqrt(dot(x, x));
const unit = (x: Float32Array): number[] => {
  const norm = Math.max(length(x), 1e-12);
  return Array.from(x, (y) => y / norm);
};

export const scoreNorm = scorer<"scoreNorm">(({ keys }) => keys.map(({ k }) => -length(k)));

export const scoreDifference = scorer<"scoreDifference">(({ keys }) => {
  const sums = new Float64Array(keys[0].k.length);
  for (const { k } of keys) for (const [d, y] of unit(k).entries()) sums[d] += y;
  const mean = Float32Array.from(sums, (x) => x / keys.length);
  return keys.map(({ k }) => -dot(unit(k), unit(mean)));
});

export const scoreRandom = scorer<"scoreRandom">(({ store, layer, head, keys }, { seed }) =>
  keys.map(({ position }) => uniform(seed, 0x6b76, layer * store.shape.kvHeads + head, position)),
);

export const scoreChange = scorer<"scoreChange">(({ store, set, keys, newest }) => {
  const { standing } = changesOf(store, set, newest + 1);
  return keys.map(({ position }) => standing[position]);
});

export const scoreDraw = scorer<"scoreDraw">(({ store, layer, head, newest, keys, scores }, { seed }) =>
  keys.map(({ position }, s) => {
    const u = uniform(seed, newest, layer * store.shape.kvHeads + head, position);
    return scores[s] / -Math.log(u + 2 ** -25);
  }),
);

export const scoreRange = scorer<"scoreRange">(({ store, set, lane, newest, keys, scores }, { part, recent }) => {
  const protect = store.protect.host[set];
  const slots = [...keys.keys()];
  const wanted = Math.floor(part * store.budget.host[lane]) - keys.filter(({ position }) => position < protect).length;
  const ranges = keys.map(({ v }) => Math.max(...v) - Math.min(...v));
  const free = slots.filter((s) => keys[s].position >= protect && keys[s].position <= newest - recent);
  const large = new Set(free.sort((a, b) => byRank(ranges[a], ranges[b]) || a - b).slice(0, Math.max(0, wanted)));
  return slots.map((s) => (large.has(s) ? Infinity : scores[s]));
});

export const scoreMean = scorer<"scoreMean">(({ store, keys, scores, newest }) => {
  const group = store.shape.queryHeads / store.shape.kvHeads;
  return keys.map(({ position }, s) => scores[s] / (group * (newest + 1 - position)));
});

type Attention = Given<"scoreAttention">;

export const scoreAttention = scorer<"scoreAttention">((view, given) => {
  const { store, set, layer, head, newest, keys } = view;
  const { queryHeads, kvHeads, headDim } = store.shape;
  const group = queryHeads / kvHeads;
  const queries = Math.min(given.queries, newest + 1);
  const ofLayer = given.group === "layer";
  if (ofLayer) alike(store, set, layer);
  // A layer's other KV heads hold other keys in the same slots.
  const keysOf = (j: number): Key[] => {
    const own = Math.floor(j / group);
    return ofLayer && own !== head ? liveKeys(store, laneOf(store, set, layer, own)) : keys;
  };
  const heads = ofLayer ? [...Array(queryHeads).keys()] : headsOf(store, head);
  const old = keys.map(({ position }) => position <= newest - queries);
  const total = new Float64Array(keys.length);
  for (let position = newest - queries + 1; position <= newest; position++) {
    const seen = [...keys.keys()].filter((s) => (given.over === "all" ? keys[s].position <= position : old[s]));
    const q = queryOf(store, set, layer, position, given.queries);
    const rows = heads.map((j) => {
      const all = keysOf(j);
      const x = seen.map((s) => all[s]);
      return logits(q.subarray(j * headDim, (j + 1) * headDim), x);
    });
    const merged = given.group === "max" ? [rows.reduce((a, b) => a.map((x, i) => Math.max(x, b[i])))] : rows;
    for (const row of merged)
      for (const [n, p] of probabilities(row).entries()) total[seen[n]] += p / (queries * merged.length);
  }
  if (ofLayer) return [...total];
  const others = [...keys.keys()].filter((s) => old[s]);
  const sums = others.map((s) => total[s]);
  const out = new Array<number>(keys.length).fill(0);
  for (const [n, s] of others.entries()) out[s] = smoothed(sums, n, given);
  return out;
});

function smoothed(x: number[], n: number, { smooth, kernel }: Attention): number {
  const reach = (kernel - 1) / 2;
  const near = x.slice(Math.max(0, n - reach), n + reach + 1);
  return smooth === "max" ? Math.max(...near) : near.reduce((a, b) => a + b, 0) / kernel;
}

export const scoreRedundancy = scorer<"scoreRedundancy">(({ keys, scores }, { weight, similar }) => {
  const units = keys.map(({ k }) => unit(k));
  const mean = new Array<number>(keys.length).fill(0);
  for (const [i, a] of units.entries()) {
    const row = units.map((b, j) => (i === j ? 0 : dot(a, b)));
    const last = row.findLastIndex((x) => x > similar);
    row[Math.max(last, 0)] = 0;
    for (const [j, x] of row.entries()) mean[j] += x / keys.length;
  }
  return [...probabilities(mean)].map((r, s) => weight * scores[s] - (1 - weight) * r);
});

export const scoreExpected = scorer<"scoreExpected">((view, given) => {
  const { store, set, layer, head, newest, keys } = view;
  const { queryHeads, kvHeads, headDim: D } = store.shape;
  const { skip, frequencies, future, covariance, values, epsilon } = given;
  const count = newest + 1 - skip;
  const scored = keys.filter(({ position }) => position >= skip);
  const mean = new Float64Array(scored.length);
  if (count > 0)
    for (const j of headsOf(store, head)) {
      const sums = momentsOf(store, set, layer, j);
      const q = (a: number) => sums[a] / count;
      const turn = meanTurn(frequencies.subarray(0, D / 2), newest + 1, future);
      const mu = turned(turn, (a) => q(a), D);
      const half = Array.from({ length: D }, (_, b) =>
        turned(turn, (a) => sums[D + a * D + b] / count - q(a) * q(b), D),
      );
      const sigma = Array.from({ length: D }, (_, a) => turned(turn, (b) => half[b][a], D));
      const rows = scored.map(({ k }) => {
        let z = dot(k, mu) / Math.sqrt(D);
        if (covariance) for (let a = 0; a < D; a++) z += (k[a] * dot(k, sigma[a])) / (2 * D);
        return z;
      });
      for (const [n, x] of probabilities(rows).entries()) mean[n] += (x * kvHeads) / queryHeads;
    }
  const ranks = [...mean].map((p, n) => (p + epsilon) * (values ? length(scored[n].v) : 1));
  // The first `skip` keys rank above all others.
  const top = Math.max(0, ...ranks) + 1;
  let n = 0;
  return keys.map(({ position }) => (position < skip ? top : ranks[n++]));
});

/** Mean cosine and sine of each pair of channels over positions [from, from + count). */
function meanTurn(frequencies: Float32Array, from: number, count: number): { cos: number; sin: number }[] {
  return Array.from(frequencies, (f) => {
    const turn = { cos: 0, sin: 0 };
    for (let p = from; p < from + count; p++) {
      turn.cos += Math.cos(Math.fround(p * f)) / count;
      turn.sin += Math.sin(Math.fround(p * f)) / count;
    }
    return turn;
  });
}

function turned(turn: { cos: number; sin: number }[], x: (a: number) => number, D: number): number[] {
  const out = new Array<number>(D);
  for (const [j, { cos, sin }] of turn.entries()) {
    const [a, b] = [x(j), x(j + D / 2)];
    out[j] = a * cos - b * sin;
    out[j + D / 2] = b * cos + a * sin;
  }
  return out;
}
