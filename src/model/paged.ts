import type { F32, Lanes, Work } from "../device/device.ts";
import type { Cut, Policy, Scorer } from "../policy/policy.ts";
import type { Attention, Body, Tokens } from "./forward.ts";
import type { Workspace } from "./workspace.ts";

/** Decode attention of some sets of one list of steps. */
export interface Look {
  steps: Work;
  archive: boolean; // archive keys see the queries at `places`
  pages: number; // first layer that reads only the most promising pages
  rank: "none" | "layer" | "group";
}

/**
 * Sets of a pass whose policies are of one kind (policy/kind.ts). Their items are neighbours in the lists of the whole
 * pass.
 */
export interface KindWork {
  policy: Policy; // of one of them
  chunks: Work; // prompt chunks
  further: Work; // chunks that read on after a prompt
  steps: Work[]; // decoded tokens, in order; each list names a set at most once
  cuts: Work[]; // of each of `steps`: those after which the policy cuts
}

/** What one pass computes, as the plan laid it out. */
export interface Batch extends Tokens {
  labelled: boolean; // some sets' gates mean something
  chunks: Work; // of all kinds, `further` included
  steps: Work[]; // of all kinds
  looks: Look[][]; // for each of `steps`
  kinds: KindWork[];
  draws: Work;
}

/**
 * Attention over the paged cache: keys come in, queries read, and what policies watch is noted. `dim`: numbers of a
 * hidden state.
 */
export function paged(batch: Batch, lanes: Lanes, frequencies: F32, shift: 0 | 1, dim: number): Attention {
  const { chunks, labelled, kinds } = batch;
  return {
    before(pass, layer, { q, x }) {
      for (const { policy, chunks, steps } of kinds) {
        const { moments, changes } = policy.cut?.watch ?? {};
        if (moments && chunks.count) pass.addMoments({ q, lanes, layer, chunks, skip: moments.skip });
        if (!changes || (layer !== changes.early && layer !== changes.late)) continue;
        const noted = { x, dim, lanes, window: changes.window, late: layer === changes.late };
        for (const runs of [chunks, ...steps]) if (runs.count) pass.noteChange({ ...noted, runs });
      }
    },
    mix(pass, layer, w) {
      const z = labelled ? w.z : null;
      const { q, k, v, mixed: out } = w;
      if (chunks.count) {
        pass.attendChunk({ out, q, k, v, z, lanes, layer, chunks });
        for (const kind of kinds) watchChunks(pass, kind, w, lanes, layer);
        pass.admit({ k, v, z, lanes, layer, runs: chunks });
        for (const kind of kinds) watchKeys(pass, kind.policy, shift, w, lanes, layer, kind.chunks);
      }
      batch.steps.forEach((steps, i) => {
        pass.admit({ k, v, z, lanes, layer, runs: steps });
        for (const { policy, steps } of kinds)
          if (!policy.cut || policy.cut.decode) watchKeys(pass, policy, shift, w, lanes, layer, steps[i]);
        for (const { steps, archive, pages, rank } of batch.looks[i]) {
          const archiveQuery = archive ? w.q2 : null;
          pass.attend({ out, q, archiveQuery, lanes, layer, steps, pages: layer >= pages, rank });
        }
        for (const { policy, cuts } of kinds)
          if (policy.cut?.decode && cuts[i].count) {
            rank(pass, lanes, layer, cuts[i], policy.cut, policy.cut.decode.score, frequencies);
            keep(pass, lanes, layer, 1, cuts[i], policy.cut);
          }
      });
    },
  };
}

/** Attention of prompt chunks, before their keys come in. */
function watchChunks(
  pass: Body,
  { policy, chunks, further }: KindWork,
  w: Workspace,
  lanes: Lanes,
  layer: number,
): void {
  const watch = policy.cut?.watch;
  const { q, k } = w;
  if (watch?.sums && chunks.count) pass.sumAttention({ q, k, lanes, layer, chunks });
  if (watch?.further && further.count)
    pass.maxAttention({ q, k, lanes, layer, chunks: further, sinks: watch.further.sinks });
}

/** What policies remember of keys that came in and of their queries. */
function watchKeys(
  pass: Body,
  { cut, reads }: Policy,
  shift: 0 | 1,
  { z, q }: Workspace,
  lanes: Lanes,
  layer: number,
  runs: Work,
): void {
  if (runs.count === 0) return;
  if (cut?.watch.gates) pass.noteGates({ z, shift, lanes, layer, runs });
  if (cut && cut.watch.queries > 0) pass.observe({ q, lanes, layer, runs });
  if (reads?.pages && layer >= reads.pages.from) pass.bound({ lanes, layer, runs });
}

/** Runs scorers over one layer of some sets. */
export function rank(
  pass: Body,
  lanes: Lanes,
  layer: number,
  runs: Work,
  { rule, watch }: Cut,
  scorers: readonly Scorer[],
  frequencies: F32,
): void {
  const on = { lanes, layer, runs, slack: rule.slack, share: rule.share };
  for (const scorer of scorers)
    switch (scorer.kind) {
      case "norm":
        pass.scoreNorm(on);
        break;
      case "difference":
        pass.scoreDifference(on);
        break;
      case "mean":
        pass.scoreMean(on);
        break;
      case "change":
        pass.scoreChange(on);
        break;
      case "random":
        pass.scoreRandom({ ...on, ...scorer });
        break;
      case "draw":
        pass.scoreDraw({ ...on, ...scorer });
        break;
      case "range":
        pass.scoreRange({ ...on, ...scorer });
        break;
      case "attention":
        pass.scoreAttention({ ...on, ...scorer });
        break;
      case "redundancy":
        pass.scoreRedundancy({ ...on, ...scorer });
        break;
      case "expected":
        pass.scoreExpected({ ...on, ...scorer, skip: watch.moments?.skip ?? 0, frequencies });
        break;
      default:
        scorer satisfies never;
    }
}

/** Keeps the best of some sets' budgets. */
export function keep(pass: Body, lanes: Lanes, layer: number, layers: number, runs: Work, { rule }: Cut): void {
  pass.keep({ lanes, layer, layers, runs, ...rule });
}
