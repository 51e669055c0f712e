// One reading of a prompt for several policies.
import { KEEP_ALL, WATCH_NOTHING } from "./options.ts";
import type { Policy, Watch } from "./policy.ts";

const FOREVER_KEPT = 1e30; // a threshold that no gate exceeds
const ANY = () => 2 ** 30;

/** A policy that keeps all and watches whatever those of `policies` want that drop nothing while a prompt is read. */
export function togetherOf(name: string, policies: readonly Policy[]): Policy {
  const dense = policies.filter(({ prefill }) => prefill === "dense");
  const watches = dense.flatMap(({ cut }) => (cut ? [cut.watch] : []));
  const gates = dense.flatMap(({ labels }) => (labels && labels.source !== "all" ? [labels.source] : []));
  const watch: Watch = {
    ...WATCH_NOTHING,
    queries: Math.max(0, ...watches.map(({ queries }) => queries)),
    sums: watches.some(({ sums }) => sums),
    moments: watches.find(({ moments }) => moments)?.moments ?? null,
    changes: watches.find(({ changes }) => changes)?.changes ?? null,
  };
  return {
    ...KEEP_ALL,
    name,
    key: name,
    labels: gates.length ? { source: gates[0], threshold: FOREVER_KEPT, window: 0, protect: 0 } : null,
    cut: {
      watch,
      atPrompt: null,
      decode: null,
      rule: { slack: 1, recent: 0, share: "lane", floor: 0, replace: false },
      budget: ANY,
      protect: 0,
    },
    reads: dense.some(({ reads }) => reads?.pages) ? { archivePosition: null, pages: { budget: ANY, from: 0 } } : null,
  };
}

/**
 * Can a policy start from what was read under `together`? What one pass cannot give two policies (moments from other
 * positions, changes at other layers, two kinds of gates) it does not. One with labels starts only from a copy of the
 * keys that is admitted again under them.
 */
export function startsFrom(together: Policy, { prefill, labels, cut, reads }: Policy): boolean {
  if (prefill !== "dense" || (reads?.pages && !together.reads?.pages)) return false;
  if (labels) return !reads?.pages && (labels.source === "all" || labels.source === together.labels?.source);
  if (!cut) return true;
  const { moments, gates, changes, queries, sums, row } = cut.watch;
  const watched = together.cut!.watch;
  if (gates || queries > watched.queries || (sums && !watched.sums)) return false;
  if (!sums && row === "group" && watched.sums) return false; // its running sums begin at nothing
  if (moments && moments.skip !== watched.moments?.skip) return false;
  if (!changes) return true;
  // Those of the prompt's keys are of no account where no cut takes these.
  const { early, late } = watched.changes ?? {};
  return cut.protect === "prompt" && changes.early === early && changes.late === late;
}

/** The same for a fork of the lanes, which sets no labels anew. */
export const forksFrom = (together: Policy, policy: Policy): boolean => !policy.labels && startsFrom(together, policy);
