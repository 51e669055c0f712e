import type { Device, I32, Work } from "../device/device.ts";
import { widthOf } from "../device/fields.ts";
import type { Batch, KindWork, Look } from "../model/paged.ts";
import { kindOf } from "../policy/kind.ts";
import { tokensOf } from "../policy/protect.ts";
import { cutsAt, type OpenSet, type Segment } from "./segment.ts";

const RUN = widthOf("run");
const REPEAT = widthOf("repeat");
const DRAW = widthOf("draw");

/** One id to draw from the last logits of a segment. */
export interface Draw {
  segment: number;
  sampler: number;
  position: number; // counter of the random numbers
  top: number; // log-probabilities wanted; -1 none
}

export interface BatchShape {
  rows: number;
  sets: number;
  logitRows: number;
  draws: number;
}

/** A segment and where it lies. */
interface Placed {
  segment: Segment;
  opened: OpenSet;
  row: number;
}

/**
 * Lays segments out as the tables of a pass: chunk rows first, then steps, one list for each token that a set feeds. In
 * each list the sets of one kind of policy are neighbours, those first whose decode attention is the common one.
 */
export class BatchTables {
  readonly batch: Batch;
  /** First row of logits of each segment of the last batch. */
  readonly logitRowOf: Int32Array;
  readonly #marks: I32;
  readonly #places: I32;
  readonly #steps: I32;
  readonly #cuts: I32;
  readonly #further: I32;

  constructor(device: Device, { rows, sets, logitRows, draws }: BatchShape) {
    const work = (items: number, size: number): Work => ({ list: device.i32(items * size), first: 0, count: 0 });
    this.batch = {
      rows: 0,
      ids: device.i32(rows),
      positions: device.i32(rows),
      marks: null,
      wants: { gates: false, probe: false },
      places: null,
      self: device.i32(rows),
      labelled: false,
      chunks: work(sets, RUN),
      steps: [],
      looks: [],
      kinds: [],
      logitRows: device.i32(logitRows),
      logitCount: 0,
      draws: work(draws, DRAW),
    };
    for (let i = 0; i < rows; i++) this.batch.self.host[i] = i;
    this.#marks = device.i32(rows);
    this.#places = device.i32(rows);
    this.#steps = device.i32(rows * RUN);
    this.#cuts = device.i32(rows * RUN);
    this.#further = device.i32(sets * REPEAT);
    this.logitRowOf = new Int32Array(sets);
  }

  lay(segments: readonly Segment[], opened: readonly OpenSet[], draws: readonly Draw[], shift: 0 | 1): Batch {
    const b = this.batch;
    b.rows = 0;
    b.logitCount = 0;
    b.wants = { gates: false, probe: false };
    b.labelled = false;
    let marked = false;
    let placed = false;
    const all = segments.map((segment, i) => {
      const { policy } = opened[i];
      b.labelled ||= policy.labels !== null;
      b.wants.gates ||= policy.labels?.source === "dms" || policy.cut?.watch.gates === true;
      b.wants.probe ||= policy.labels?.source === "probe";
      marked ||= policy.labels !== null && !(policy.labels.source === "dms" && policy.labels.protect === 0);
      placed ||= policy.reads !== null && policy.reads.archivePosition !== null;
      return { segment, opened: opened[i], row: this.#layRows(segment, opened[i], i, shift) };
    });
    b.marks = marked ? this.#marks : null;
    b.places = placed ? this.#places : null;
    this.#layKinds(all);
    draws.forEach((draw, i) => {
      const { count, logits } = segments[draw.segment];
      const row = this.logitRowOf[draw.segment] + (logits === "all" ? count - 1 : 0);
      b.draws.list.host.set([row, draw.sampler, draw.position, draw.top], i * DRAW);
    });
    b.draws.count = draws.length;
    return b;
  }

  #layRows(segment: Segment, { policy: { labels, reads }, prompt }: OpenSet, index: number, shift: 0 | 1): number {
    const b = this.batch;
    const row = b.rows;
    const protect = labels ? tokensOf(labels.protect, prompt) : 0;
    const limit = reads?.archivePosition ?? Number.POSITIVE_INFINITY;
    const back = labels?.source === "dms" ? shift : 0; // the gate of a row labels the key `back` before it
    const mark = labels ? MARKS[labels.source] : MARKS.dms;
    for (let i = 0; i < segment.count; i++) {
      const position = segment.from + i;
      b.ids.host[row + i] = segment.ids[position];
      b.positions.host[row + i] = position;
      this.#places.host[row + i] = Math.min(position, limit);
      this.#marks.host[row + i] = position - back >= protect ? mark : MARKS.none;
    }
    b.rows += segment.count;
    const last = row + segment.count - 1;
    this.logitRowOf[index] = b.logitCount;
    if (segment.logits === "all") for (let r = row; r <= last; r++) b.logitRows.host[b.logitCount++] = r;
    else if (segment.logits === "last") b.logitRows.host[b.logitCount++] = last;
    return row;
  }

  #layKinds(all: readonly Placed[]): void {
    const b = this.batch;
    const groups = [...Map.groupBy(all, ({ opened }) => kindOf(opened.policy)).values()];
    groups.sort((x, y) => Number(isCommon(lookOf(y[0]))) - Number(isCommon(lookOf(x[0]))));
    b.kinds = groups.map(([{ opened }]) => ({
      policy: opened.policy,
      chunks: none(b.chunks.list),
      further: none(this.#further),
      steps: [],
      cuts: [],
    }));
    b.chunks.count = 0;
    let further = 0;
    const place = ({ segment, row }: Placed): number[] => {
      const item = [segment.set, row, segment.count, segment.from];
      b.chunks.list.host.set(item, b.chunks.count++ * RUN);
      return item;
    };
    for (const [i, group] of groups.entries()) {
      const kind = b.kinds[i];
      kind.further.first = further;
      // Chunks that read on after a prompt are attended and admitted like others, and watched in their own way.
      for (const placed of group.filter(({ segment }) => segment.scores)) {
        const { set, from, to } = placed.segment.scores!;
        const item = [...place(placed), set, from, to, placed.opened.prompt];
        this.#further.host.set(item, further++ * REPEAT);
        kind.further.count++;
      }
      kind.chunks.first = b.chunks.count;
      for (const placed of group.filter(({ segment }) => segment.kind === "chunk" && !segment.scores)) {
        place(placed);
        kind.chunks.count++;
      }
    }
    this.#laySteps(groups, b.kinds);
  }

  #laySteps(groups: readonly Placed[][], kinds: readonly KindWork[]): void {
    const b = this.batch;
    let item = 0;
    let cut = 0;
    b.steps = [];
    b.looks = [];
    for (let j = 0; ; j++) {
      const first = item;
      const looks: Look[] = [];
      for (const [i, group] of groups.entries()) {
        const [from, firstCut] = [item, cut];
        for (const { segment, opened, row } of group) {
          if (segment.kind !== "steps" || j >= segment.count) continue;
          const position = segment.from + j;
          const step = [segment.set, row + j, 1, position];
          this.#steps.host.set(step, item++ * RUN);
          if (cutsInStep(opened, position)) this.#cuts.host.set(step, cut++ * RUN);
        }
        const steps = { list: this.#steps, first: from, count: item - from };
        kinds[i].steps.push(steps);
        kinds[i].cuts.push({ list: this.#cuts, first: firstCut, count: cut - firstCut });
        if (steps.count === 0) continue;
        const look = { ...lookOf(group[0]), steps };
        const before = looks.at(-1);
        if (before && isCommon(before) && isCommon(look)) before.steps.count += steps.count;
        else looks.push({ ...look, steps: { ...steps } });
      }
      if (item === first) return;
      b.steps.push({ list: this.#steps, first, count: item - first });
      b.looks.push(looks);
    }
  }
}

const MARKS = { none: 0, dms: 1, all: 2, probe: 3 } as const;
const none = (list: I32): Work => ({ list, first: 0, count: 0 });

function lookOf({ opened: { policy } }: Placed): Omit<Look, "steps"> {
  const { reads, cut } = policy;
  return {
    archive: reads !== null && reads.archivePosition !== null,
    pages: reads?.pages?.from ?? Number.POSITIVE_INFINITY,
    rank: cut?.decode ? cut.watch.row : "none",
  };
}

const isCommon = ({ archive, pages, rank }: Omit<Look, "steps">): boolean =>
  !archive && rank === "none" && pages === Number.POSITIVE_INFINITY;

/** Does the pass itself cut after this token? Policies of one's own rank between passes. */
const cutsInStep = (opened: OpenSet, position: number): boolean =>
  !opened.policy.cut?.rescore && cutsAt(opened, position);
