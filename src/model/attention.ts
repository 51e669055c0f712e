import type {
  Board,
  Bounds,
  Scorer as DeviceScorer,
  F32,
  Labels,
  Lanes,
  Moments,
  Pass,
  Reading,
  Ring,
  Scores,
  Work,
} from "../device/device.ts";
import type { Cut, Policy, Scorer } from "../policy/policy.ts";
import type { Batch, Workspace } from "./forward.ts";

/** What policies have the device remember beside keys and values; null where the policy at hand does not want it. */
export interface Side {
  board: Board | null;
  ring: Ring | null;
  moments: Moments | null;
  bounds: Bounds | null;
  scores: Scores | null;
}

/** Window of labels while a dense prefill runs: every key serves until the prompt ends. */
export const UNTIL_PROMPT_ENDS = 2 ** 31 - 1;

/** Labels as a prompt chunk sees them. */
const inPrompt = (labels: Labels | null, policy: Policy): Labels | null =>
  labels && policy.prefill === "dense" ? { ...labels, window: UNTIL_PROMPT_ENDS } : labels;

/** Attention of one layer: keys come in, queries read, and what the policy watches is noted; q and k after RoPE. */
export function attention(
  pass: Pass,
  batch: Batch,
  w: Workspace,
  side: Side,
  lanes: Lanes,
  layer: number,
  labels: Labels | null,
  shift: 0 | 1,
  policy: Policy,
): void {
  const watch = policy.cut?.watch;
  const z = w.z[layer];
  const { board, ring, bounds } = side;
  if (batch.chunks.count) {
    const seen = inPrompt(labels, policy);
    pass.attendChunk(w.mixed, w.q, w.k, w.v, lanes, layer, batch.chunks, seen);
    if (board && watch?.sums) pass.sum(board, w.q, w.k, lanes, layer, batch.chunks);
    if (board && batch.replays.count)
      pass.replay(board, w.q, w.k, lanes, layer, batch.replays, watch?.replay?.sinks ?? 0);
    pass.admitChunk(w.k, w.v, lanes, layer, batch.chunks, seen);
    if (board && watch?.gates) pass.note(board, z, shift, lanes, layer, batch.chunks, true);
    if (ring) pass.remember(ring, w.q, lanes, layer, batch.chunks, true);
    if (bounds) pass.bound(bounds, lanes, layer, batch.chunks, true);
  }
  const reading: Reading | null = policy.reads && {
    archiveQuery: policy.reads.archivePosition === null ? null : w.q2,
    select: policy.reads.pages && layer >= policy.reads.pages.from ? bounds : null,
  };
  batch.steps.forEach((steps, i) => {
    pass.admit(w.k, w.v, lanes, layer, steps, labels);
    if (board && watch?.gates) pass.note(board, z, shift, lanes, layer, steps, false);
    if (ring) pass.remember(ring, w.q, lanes, layer, steps, false);
    if (bounds) pass.bound(bounds, lanes, layer, steps, false);
    pass.attend(w.mixed, w.q, lanes, layer, steps, side.scores, reading);
    if (board && side.scores && watch && watch.row !== "none")
      pass.weigh(board, side.scores, lanes, layer, steps, watch.row === "group");
    const { cut } = policy;
    if (board && cut?.decode && batch.cuts[i].count) {
      rank(pass, board, side, lanes, layer, batch.cuts[i], cut, cut.decode.score, w.frequencies);
      pass.keep(board, lanes, layer, 1, batch.cuts[i], cut.rule);
    }
  });
}

/** Runs scorers over one layer of some sets. */
export function rank(
  pass: Pass,
  board: Board,
  side: Side,
  lanes: Lanes,
  layer: number,
  items: Work,
  cut: Cut,
  scorers: readonly Scorer[],
  frequencies: F32,
): void {
  for (const scorer of scorers)
    pass.score(board, side.ring, lanes, layer, items, cut.rule, forDevice(scorer, side, frequencies));
}

function forDevice(scorer: Scorer, side: Side, frequencies: F32): DeviceScorer {
  if (scorer.kind !== "expected") return scorer;
  if (!side.moments) throw new Error("expected attention without moments: the policy must watch them");
  return { ...scorer, moments: side.moments, frequencies };
}
