// What can only be checked when a pass runs: the work lists and the lanes' tables as the host left them.
import { HyperthinkError } from "../../base/errors.ts";
import { CHUNK, FORK, type I32, type Lanes, MAX_TOP, PAGE_SLOTS, SAMPLE, STEP, type Work } from "../device.ts";
import { REPLAY } from "../keeping.ts";

/** A recorded operation's claims on lists and tables; `rows` are those that its buffers hold. */
export type Use =
  | { op: string; kind: "index"; index: I32; count: number; below: number }
  | { op: string; kind: "chunk" | "step"; lanes: Lanes; work: Work; rows: number; stride?: number }
  | { op: string; kind: "replay"; lanes: Lanes; work: Work; rows: number; stride: number }
  | { op: string; kind: "fork"; lanes: Lanes; work: Work; stride?: number }
  | { op: string; kind: "sample"; work: Work; rows: number; samplers: number };

const WIDTHS = { chunk: CHUNK, step: STEP, replay: REPLAY };

/** Throws `bad-argument`; the message names the operation, what was expected, and what stands there. */
export function checkTables(uses: Use[]): void {
  const touched = new Map<Lanes, Set<number>>();
  const touch = (lanes: Lanes, set: number) => touched.set(lanes, (touched.get(lanes) ?? new Set()).add(set));
  for (const use of uses) {
    const { op } = use;
    if (use.kind === "index") {
      for (let i = 0; i < use.count; i++) within(op, `index ${i}`, use.index.host[i], 0, use.below);
    } else if (use.kind === "sample") {
      for (const [row, sampler, , wanted] of items(use.work, SAMPLE)) {
        within(op, "row", row, 0, use.rows);
        within(op, "sampler", sampler, 0, use.samplers);
        within(op, "log-probabilities", wanted, -1, MAX_TOP + 1);
      }
    } else if (use.kind === "fork") {
      const pairs = items(use.work, FORK);
      const seen = new Set<number>();
      for (const [source, destination] of pairs) {
        within(op, "source", source, 0, use.lanes.shape.sets);
        within(op, "destination", destination, 0, use.lanes.shape.sets);
        once(op, seen, destination);
        forkable(use.lanes, source, destination);
        if (use.stride !== undefined) scored(op, use.lanes, source, use.stride);
        touch(use.lanes, source);
        touch(use.lanes, destination);
      }
      for (const [source] of pairs) if (seen.has(source)) fail(op, "sources that are no destinations", `set ${source}`);
    } else {
      const seen = new Set<number>();
      for (const item of items(use.work, WIDTHS[use.kind])) {
        const [set, row] = item;
        const [rows, position] = use.kind === "step" ? [1, item[2]] : [item[2], item[3]];
        within(op, "set", set, 0, use.lanes.shape.sets);
        once(op, seen, set);
        within(op, "rows", rows, 1, Number.POSITIVE_INFINITY);
        within(op, "row", row, 0, use.rows - rows + 1);
        within(op, "position", position, 0, Number.POSITIVE_INFINITY);
        if (use.kind === "step" && use.stride !== undefined) scored(op, use.lanes, set, use.stride);
        if (use.kind === "chunk" && use.stride !== undefined)
          within(op, "position", position + rows - 1, 0, use.stride);
        if (use.kind === "replay") {
          const [target, from, to, tokens] = item.subarray(CHUNK);
          within(op, "the set to write", target, 0, use.lanes.shape.sets);
          within(op, "tokens", tokens, 0, position + 1);
          within(op, "last slot", to, 0, Math.min(tokens, use.stride) + 1);
          within(op, "first slot", from, 0, to + 1);
        }
        touch(use.lanes, set);
      }
    }
  }
  for (const [lanes, sets] of touched) checkLanes(lanes, sets);
}

function items(work: Work, width: number): Int32Array[] {
  const at = (i: number) => (work.first + i) * width;
  return Array.from({ length: work.count }, (_, i) => work.list.host.subarray(at(i), at(i + 1)));
}

function lanesOf({ shape }: Lanes, set: number): number[] {
  const each = shape.layers * shape.kvHeads;
  return Array.from({ length: each }, (_, i) => set * each + i);
}

/** Archive pages past the end that a cut has left in the table. */
function leftBehind(lanes: Lanes, lane: number): number[] {
  const { archivePages } = lanes.shape;
  const end = Math.ceil(lanes.archive.host[lane] / PAGE_SLOTS);
  const table = lanes.archiveTable.host;
  return [...table.subarray(lane * archivePages + end, (lane + 1) * archivePages)].filter((page) => page !== -1);
}

/** Entries of the two tables that hold keys, as page ids: [archive, doomed]. */
function held(lanes: Lanes, lane: number): [number[], number[]] {
  const { archivePages, doomedPages } = lanes.shape;
  const archive = Array.from(
    { length: Math.ceil(lanes.archive.host[lane] / PAGE_SLOTS) },
    (_, i) => lanes.archiveTable.host[lane * archivePages + i],
  );
  const doomed: number[] = [];
  const end = Math.ceil(lanes.tail.host[lane] / PAGE_SLOTS);
  for (let p = Math.floor(lanes.head.host[lane] / PAGE_SLOTS); p < end; p++) {
    doomed.push(lanes.doomedTable.host[lane * doomedPages + (p % doomedPages)]);
  }
  return [archive, doomed];
}

function checkLanes(lanes: Lanes, sets: Set<number>): void {
  const { shape } = lanes;
  const spares = new Set<number>();
  for (const set of sets) {
    for (const lane of lanesOf(lanes, set)) {
      const [archive, head, tail] = [lanes.archive, lanes.head, lanes.tail].map((b) => b.host[lane]);
      within(`lane ${lane}`, "archive", archive, 0, shape.archivePages * PAGE_SLOTS + 1);
      within(`lane ${lane}`, "doomed head", head, 0, tail + 1);
      within(`lane ${lane}`, "dead", lanes.dead.host[lane], -2, archive);
      const doomedPages = Math.ceil(tail / PAGE_SLOTS) - Math.floor(head / PAGE_SLOTS);
      within(`lane ${lane}`, "doomed pages", doomedPages, 0, shape.doomedPages + 1);
      const pages = [...held(lanes, lane).flat(), ...leftBehind(lanes, lane)];
      if (new Set(pages).size < pages.length) fail(`lane ${lane}`, "a page once in its tables", pages.join(" "));
      for (const page of pages) {
        within(`lane ${lane}`, "table entry", page, 0, shape.pages);
        if (lanes.holders.host[page] < 1)
          fail(`lane ${lane}`, `holders >= 1 of page ${page}`, `${lanes.holders.host[page]}`);
      }
      within(`lane ${lane}`, "spares used", lanes.used.host[lane], 0, shape.sparePages + 1);
      for (let i = lanes.used.host[lane]; i < shape.sparePages; i++) {
        const page = lanes.spare.host[lane * shape.sparePages + i];
        if (page === -1) break;
        within(`lane ${lane}`, `spare ${i}`, page, 0, shape.pages);
        if (lanes.holders.host[page] !== 1)
          fail(`lane ${lane}`, `one holder of spare page ${page}`, `${lanes.holders.host[page]}`);
        if (spares.has(page)) fail(`lane ${lane}`, "a page spare once", `page ${page} again`);
        if (pages.includes(page)) fail(`lane ${lane}`, "a spare outside its tables", `page ${page}`);
        spares.add(page);
      }
    }
  }
}

/** The destination has the source's counters, and a page of its own wherever the tables differ. */
function forkable(lanes: Lanes, source: number, destination: number): void {
  const to = lanesOf(lanes, destination);
  for (const [i, from] of lanesOf(lanes, source).entries()) {
    for (const name of ["archive", "head", "tail", "dead"] as const) {
      const [a, b] = [lanes[name].host[from], lanes[name].host[to[i]]];
      if (a !== b) fail("fork", `${name} of lane ${to[i]} to be ${a}, as in lane ${from}`, `${b}`);
    }
    const theirs = held(lanes, from);
    const ours = held(lanes, to[i]);
    for (const part of [0, 1]) {
      for (const [p, page] of ours[part].entries()) {
        if (page === theirs[part][p]) continue;
        if (p < theirs[part].length - 1) fail("fork", `full page ${theirs[part][p]} in lane ${to[i]}`, `${page}`);
        if (lanes.holders.host[page] !== 1) fail("fork", `one holder of page ${page}`, `${lanes.holders.host[page]}`);
      }
    }
  }
}

/** Only a lower bound: an admit of the same pass may still append one key. */
function scored(op: string, lanes: Lanes, set: number, stride: number): void {
  for (const lane of lanesOf(lanes, set)) {
    const keys = lanes.archive.host[lane] + 1;
    if (keys > stride) fail(op, `a stride of at least ${keys}`, `${stride}`);
  }
}

function once(op: string, seen: Set<number>, set: number): void {
  if (seen.has(set)) fail(op, "each set once in a list", `set ${set} again`);
  seen.add(set);
}

/** low <= value < high. */
function within(op: string, name: string, value: number, low: number, high: number): void {
  if (!(value >= low && value < high)) fail(op, `${name} in ${low} .. ${high - 1}`, `${value}`);
}

function fail(op: string, expected: string, got: string): never {
  throw new HyperthinkError("bad-argument", `${op}: expected ${expected}, got ${got}`);
}
