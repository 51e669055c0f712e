import { badArgument } from "../base/errors.ts";
import type { LaneTable, Write } from "../cache/lanes.ts";
import type { Account } from "../cache/pool.ts";
import { type Device, NO_LABELS, PAGE_SLOTS, type SetState } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Policy } from "../policy/policy.ts";
import { tokensOf } from "../policy/protect.ts";
import { cutsAt, type OpenSet, type Segment } from "./segment.ts";

const NOTHING: SetState = { slots: 0, queries: 0, moments: false, bounds: false, changes: 0, width: 0 };
/**
 * Window of labels while a dense prefill runs (every key serves until the prompt ends), and of one too wide for 32
 * bits.
 */
const FOREVER = 2 ** 31 - 1;
/** Sets kept for temporary forks. */
export const TEMPORARY = 1;
/** Slots by which the scores of a set grow, and positions by which its changes do. */
const GROWTH = 256;

const bits = new Int32Array(1);
const real = new Float32Array(bits.buffer);

/**
 * Which sets are open under which policy: their settings and their state on the device, and what passes may ask of the
 * pool for them.
 */
export class Sets {
  readonly table: LaneTable;
  readonly #device: Device;
  readonly #config: ModelConfig;
  readonly #chunk: number; // most prompt rows per pass
  readonly #opened: (OpenSet & { state: SetState; queries: number })[] = [];

  constructor(device: Device, table: LaneTable, config: ModelConfig, chunk: number) {
    this.#device = device;
    this.table = table;
    this.#config = config;
    this.#chunk = chunk;
  }

  /** Sets that chains and prompts may take. */
  get free(): number {
    return this.table.freeSets - TEMPORARY;
  }

  get inUse(): number {
    return this.table.device.shape.sets - this.table.freeSets;
  }

  of(set: number): OpenSet {
    return this.#opened[set];
  }

  /** An empty set for a chain of `prompt` tokens and at most `tokens` in all, or -1 when all are in use. */
  take(policy: Policy, prompt: number, tokens: number, account?: Account): number {
    if (this.free <= 0) return -1;
    const set = this.table.open(account);
    try {
      this.#open(set, { policy, prompt, tokens }, policy.cut?.watch.queries ?? 0);
    } catch (error) {
      this.table.close(set); // a budget of the caller's own may be none
      throw error;
    }
    return set;
  }

  /**
   * A set that continues from `source`, under its own policy or another (over a dense, uncut prompt; of `tokens` in
   * all), or -1.
   */
  fork(source: number, policy?: Policy, tokens = this.#opened[source].tokens): number {
    if (this.free <= 0) return -1;
    const set = this.forkForAWhile(source);
    const opened = this.#opened[set];
    const { state } = this.#opened[source];
    try {
      if (!policy) {
        this.#attach(set, this.#wanted(set, false, state));
        return set;
      }
      // State is copied as it lies: a window of queries must be as wide as its source's.
      const wanted = policy.cut?.watch.queries ?? 0;
      this.#open(set, { ...opened, policy, tokens }, wanted > 0 ? Math.max(wanted, opened.queries) : 0);
      this.#attach(set, this.#wanted(set, true, state));
    } catch (error) {
      this.table.close(set);
      throw error;
    }
    return set;
  }

  /** A set of the reserve that continues from `source`, for a while between two steps. */
  forkForAWhile(source: number): number {
    const set = this.table.fork(source);
    this.#opened[set] = { ...this.#opened[source], state: NOTHING };
    return set;
  }

  close(set: number): void {
    this.#attach(set, NOTHING);
    this.table.close(set);
  }

  /** Writes the settings in which sets of one kind of policy differ. */
  #open(set: number, opened: OpenSet, queries: number): void {
    const { layers, kvHeads } = this.#config;
    const { policy, prompt, tokens } = opened;
    const { cut, reads, labels } = policy;
    const { budget, protect, shift, threshold } = this.table.device;
    this.#opened[set] = { policy, prompt, tokens, state: NOTHING, queries };
    protect.host[set] = cut ? tokensOf(cut.protect, prompt) : 0;
    shift.host[set] = labels?.source === "dms" ? (this.#config.dms?.shift ?? 0) : 0;
    real[0] = labels?.threshold ?? 0;
    threshold.host[set] = bits[0];
    this.table.changed(set);
    const of = cut?.budget ?? reads?.pages?.budget;
    if (!of) return;
    for (let i = 0; i < this.table.width; i++) {
      const lane = { layer: Math.floor(i / kvHeads), head: i % kvHeads, layers, kvHeads, prompt, tokens };
      const keys = Math.floor(of(lane) + 1e-9); // 200 / (1 / 0.7) is a little below 140
      if (!(keys >= 0)) throw badArgument(`policy ${policy.name}: expected a budget of keys, got ${keys}`);
      budget.host[set * this.table.width + i] = Math.min(keys, 2 ** 30);
    }
  }

  /** Before a pass: the window that this segment's labels have, and the state that its policy wants. */
  ready(segment: Segment): void {
    const { policy, prompt, state } = this.#opened[segment.set];
    const { labels, prefill } = policy;
    const inPrompt = segment.kind === "chunk";
    const window = labels ? (inPrompt && prefill === "dense" ? FOREVER : Math.min(labels.window, FOREVER)) : NO_LABELS;
    const windows = this.table.device.window.host;
    if (windows[segment.set] !== window) this.table.changed(segment.set);
    windows[segment.set] = window;
    if (segment.scores) return;
    const fed = segment.from + segment.count;
    const grown = (need: number, room: number) => (need > room ? need + GROWTH : room);
    const slots = grown(2 + (inPrompt ? Math.max(prompt, fed) : this.#mostSlots(segment)), state.slots);
    const changes = grown(fed, state.changes);
    this.#attach(segment.set, this.#wanted(segment.set, inPrompt, { slots, changes }));
  }

  /** The state that a set's policy wants while its prompt is read, or after, with room for so much. */
  #wanted(set: number, inPrompt: boolean, { slots, changes }: Pick<SetState, "slots" | "changes">): SetState {
    const { policy, queries } = this.#opened[set];
    const { cut, reads } = policy;
    const scored = cut !== null && (inPrompt || cut.decode !== null);
    const changing = scored && cut.watch.changes !== null;
    return {
      slots: scored ? slots : 0,
      queries: scored ? queries : 0,
      moments: inPrompt && cut !== null && cut.watch.moments !== null,
      bounds: reads?.pages != null,
      changes: changing ? changes : 0,
      width: changing ? this.#config.hidden : 0,
    };
  }

  /** The prompt was read and cut: what only it needed goes. */
  settle(set: number): void {
    this.#attach(set, this.#wanted(set, false, this.#opened[set].state));
  }

  #attach(set: number, state: SetState): void {
    const before = this.#opened[set].state;
    const same =
      before.slots === state.slots &&
      before.queries === state.queries &&
      before.moments === state.moments &&
      before.bounds === state.bounds &&
      before.changes === state.changes;
    if (same) return;
    this.#device.attach(this.table.device, set, state);
    this.#opened[set].state = state;
  }

  /** Most slots that a lane's archive has after a segment. */
  #mostSlots({ set, count }: Segment): number {
    const { width, device } = this.table;
    let most = 0;
    for (let lane = set * width; lane < (set + 1) * width; lane++) most = Math.max(most, device.archive.host[lane]);
    return most + count;
  }

  /** Pages that feeding a segment may take, those of its prompt's cut and of further passes over it included. */
  demand(segment: Segment): number {
    const { set, count } = segment;
    const cuts = this.#opened[set].policy.cut?.atPrompt && this.endsPrompt(segment);
    const copies = cuts ? this.table.sharedPages(set) : 0; // a prompt that began as a stem shares its pages
    return this.table.demand(set, count, this.write(segment)) + copies + this.#furtherDemand(segment);
  }

  #furtherDemand(segment: Segment): number {
    const { policy, prompt } = this.#opened[segment.set];
    const further = policy.cut?.watch.further;
    if (!further || !this.endsPrompt(segment)) return 0;
    // Per lane and chunk: a copied tail, and what a chunk may take besides its rows.
    const rows = further.most(prompt);
    return this.table.width * (Math.ceil(rows / PAGE_SLOTS) + 2 * Math.ceil(rows / this.#chunk) + 4);
  }

  /** Is the prompt's last token in this chunk? */
  endsPrompt({ set, kind, scores, from, count }: Segment): boolean {
    return kind === "chunk" && !scores && from + count === this.#opened[set].prompt;
  }

  /** How a pass over a segment writes. */
  write(segment: Segment): Write {
    const opened = this.#opened[segment.set];
    const { cut } = opened.policy;
    if (segment.kind === "chunk") return "chunk";
    if (!cut?.decode) return "steps";
    if (cut.rescore && cutsAt(opened, segment.from + segment.count - 1)) return "cuts"; // whatever its scores will be
    let due = false;
    for (let i = 0; i < segment.count; i++) due ||= cutsAt(opened, segment.from + i);
    if (!due) return "steps";
    if (cut.rule.share !== "lane") return "cuts";
    // Lanes that live at their budget lose one key per token, in place; only those well above it close gaps.
    const budget = this.table.device.budget.host;
    let write: Write = "steps";
    for (let lane = segment.set * this.table.width; lane < (segment.set + 1) * this.table.width; lane++) {
      const live = this.table.live(lane);
      if (live + segment.count < budget[lane] + cut.rule.slack) continue;
      if (!cut.rule.replace || live > budget[lane]) return "cuts";
      write = "victims";
    }
    return write;
  }
}
