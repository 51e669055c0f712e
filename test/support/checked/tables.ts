// The lanes' tables of the sets that a pass works on, as the host left them.
import { fail } from "../../../src/device/checks.ts";
import { DEAD_PENDING, entryAt, type Lanes, NO_LABELS, PAGE_SLOTS, type Work } from "../../../src/device/device.ts";
import { ITEMS, type ItemKind } from "../../../src/device/fields.ts";
import { type Call, FIELDS } from "../../../src/device/recorder.ts";

/** Throws `bad-argument`; the message names the lane, what was expected, and what stands there. */
export function checkTables(calls: readonly Call[]): void {
  const touched = new Map<Lanes, Set<number>>();
  for (const { op, args } of calls) {
    const lanes = args.lanes as Lanes | undefined;
    if (!lanes) continue;
    const sets = touched.get(lanes) ?? new Set();
    touched.set(lanes, sets);
    for (const [name, field] of FIELDS[op])
      if (field.kind === "list") for (const set of setsOf(field.item, args[name] as Work)) sets.add(set);
    if (op === "fork") checkFork(lanes, args.pairs as Work);
  }
  for (const [lanes, sets] of touched) checkSets(lanes, sets);
}

/** Every set that a list names, as what it is written to or read from. */
function setsOf(kind: ItemKind, work: Work): number[] {
  const columns = ITEMS[kind];
  return items(kind, work).flatMap((item) =>
    ["set", "source", "target"].flatMap((name) => {
      const at = (columns as readonly string[]).indexOf(name);
      return at < 0 ? [] : [item[at]];
    }),
  );
}

function items(kind: ItemKind, { list, first, count }: Work): Int32Array[] {
  const width = ITEMS[kind].length;
  return Array.from({ length: count }, (_, i) => list.host.subarray((first + i) * width, (first + i + 1) * width));
}

function lanesOf({ shape }: Lanes, set: number): number[] {
  const each = shape.layers * shape.kvHeads;
  return Array.from({ length: each }, (_, i) => set * each + i);
}

/** Pages that a lane's tables hold: [archive, those past its end included; doomed]. */
function pagesOf({ shape, ...tables }: Lanes, lane: number): [number[], number[]] {
  const [held, head, tail] = [tables.held, tables.head, tables.tail].map(({ host }) => host[lane]);
  const archive = Array.from(
    { length: held },
    (_, e) => tables.archiveTable.host[entryAt(shape, shape.archivePages, lane, e)],
  );
  const doomed = [];
  for (let p = Math.floor(head / PAGE_SLOTS); p < Math.ceil(tail / PAGE_SLOTS); p++)
    doomed.push(tables.doomedTable.host[entryAt(shape, shape.doomedPages, lane, p % shape.doomedPages)]);
  return [archive, doomed];
}

function checkSets(lanes: Lanes, sets: ReadonlySet<number>): void {
  const spares = new Set<number>();
  const threshold = new Float32Array(lanes.threshold.host.buffer, lanes.threshold.host.byteOffset);
  for (const set of sets) {
    const at = `set ${set}`;
    inRange(at, "window", lanes.window.host[set], NO_LABELS, 2 ** 31);
    inRange(at, "shift", lanes.shift.host[set], 0, 2);
    inRange(at, "protected positions", lanes.protect.host[set], 0, 2 ** 31);
    if (Number.isNaN(threshold[set])) fail(at, "a threshold", "NaN");
    for (const lane of lanesOf(lanes, set)) checkLane(lanes, lane, spares);
  }
}

/** `spares`: those of the lanes before. */
function checkLane(lanes: Lanes, lane: number, spares: Set<number>): void {
  const { shape } = lanes;
  const at = `lane ${lane}`;
  const [archive, held, head, tail] = [lanes.archive, lanes.held, lanes.head, lanes.tail].map((t) => t.host[lane]);
  inRange(at, "archive", archive, 0, shape.archivePages * PAGE_SLOTS + 1);
  inRange(at, "entries held", held, Math.ceil(archive / PAGE_SLOTS), shape.archivePages + 1);
  inRange(at, "doomed head", head, 0, tail + 1);
  inRange(at, "dead", lanes.dead.host[lane], DEAD_PENDING, archive);
  const doomedPages = Math.ceil(tail / PAGE_SLOTS) - Math.floor(head / PAGE_SLOTS);
  inRange(at, "doomed pages", doomedPages, 0, shape.doomedPages + 1);
  const pages = pagesOf(lanes, lane).flat();
  if (new Set(pages).size < pages.length) fail(at, "a page once in its tables", pages.join(" "));
  for (const page of pages) {
    inRange(at, "table entry", page, 0, shape.pages);
    if (lanes.holders.host[page] < 1) fail(at, `holders >= 1 of page ${page}`, `${lanes.holders.host[page]}`);
  }
  const [first, count, used] = [lanes.firstSpare, lanes.spares, lanes.used].map((table) => table.host[lane]);
  inRange(at, "spares used", used, 0, count + 1);
  inRange(at, "last spare", first + count, 0, shape.pages + 1);
  for (let i = used; i < count; i++) {
    const page = lanes.spare.host[first + i];
    inRange(at, `spare ${i}`, page, 0, shape.pages);
    if (lanes.holders.host[page] !== 1) fail(at, `one holder of spare page ${page}`, `${lanes.holders.host[page]}`);
    if (spares.has(page)) fail(at, "a page spare once", `page ${page} again`);
    if (pages.includes(page)) fail(at, "a spare outside its tables", `page ${page}`);
    spares.add(page);
  }
}

/** A pair's second set has the first one's counters, and a page of its own wherever the tables differ. */
function checkFork(lanes: Lanes, work: Work): void {
  const pairs = items("pair", work);
  const targets = new Set(pairs.map(([, set]) => set));
  for (const [source, set] of pairs) {
    if (targets.has(source)) fail("fork", "sources that are no destinations", `set ${source}`);
    const to = lanesOf(lanes, set);
    for (const [i, from] of lanesOf(lanes, source).entries()) checkForkedLane(lanes, from, to[i]);
  }
}

function checkForkedLane(lanes: Lanes, from: number, to: number): void {
  for (const name of ["archive", "head", "tail", "dead"] as const) {
    const [a, b] = [lanes[name].host[from], lanes[name].host[to]];
    if (a !== b) fail("fork", `${name} of lane ${to} to be ${a}, as in lane ${from}`, `${b}`);
  }
  const theirs = pagesOf(lanes, from);
  for (const [part, ours] of pagesOf(lanes, to).entries()) {
    const slots = part === 0 ? lanes.archive.host[from] : lanes.tail.host[from];
    const last = Math.ceil(slots / PAGE_SLOTS) - 1 - (part === 0 ? 0 : Math.floor(lanes.head.host[from] / PAGE_SLOTS));
    for (const [p, page] of ours.entries()) {
      if (page === theirs[part][p] || p > last) continue;
      if (p < last) fail("fork", `full page ${theirs[part][p]} in lane ${to}`, `${page}`);
      if (lanes.holders.host[page] !== 1) fail("fork", `one holder of page ${page}`, `${lanes.holders.host[page]}`);
    }
  }
}

/** low <= value < high. */
function inRange(at: string, name: string, value: number, low: number, high: number): void {
  if (!(value >= low && value < high)) fail(at, `${name} in ${low} .. ${high - 1}`, `${value}`);
}
