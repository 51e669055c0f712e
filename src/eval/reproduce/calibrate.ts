// Finds the setting at which a policy achieves a compression ratio, in few short runs: between two that were tried the
// log of the ratio is taken for linear.

import { badArgument } from "../../base/errors.ts";

/** The setting of a policy that is moved. */
export interface Knob {
  name: "budget" | "threshold" | "cr";
  /** Where next to nothing is evicted, and where as much as can be. */
  gentle: number;
  harsh: number;
  /** Where the search begins. */
  start: number;
  step: number; // values are its multiples
  /** Whether equal ratios of values matter, not equal differences. */
  log: boolean;
}

/** A short run. `cr`: what it achieved; null: it could not be run so, as chains failed. */
export interface Probe {
  value: number;
  cr: number | null;
}

export interface Calibrated {
  value: number;
  cr: number; // achieved while calibrating
  /** Whether that is the target, within 5%. */
  reached: boolean;
  probes: Probe[];
}

/** From the target: where a search ends, and up to where it has succeeded. */
const CLOSE = Math.log(1.025);
export const NEAR = 0.05;
const MOST_PROBES = 9;
/** Of a bracket's ends, in shares of it, nothing is tried: there little would be learned. */
const MARGIN = 0.1;

/** One policy's search. */
export class Search {
  readonly knob: Knob;
  readonly target: number;
  readonly probes: Probe[] = [];

  /** Throws `bad-argument` for a target that is no compression, and a knob without room. */
  constructor(knob: Knob, target: number) {
    if (!(target > 1 && Number.isFinite(target)))
      throw badArgument(`expected a ratio above 1 to calibrate, got ${target}`);
    if (knob.gentle === knob.harsh || !(knob.step > 0)) throw badArgument(`${knob.name}: expected two ends and a step`);
    this.knob = knob;
    this.target = target;
  }

  /** The value to try; null: the search is over. */
  next(): number | null {
    const { probes, target } = this;
    if (probes.length === 0) return this.#rounded(this.knob.start);
    const last = probes.at(-1)!;
    if (last.cr !== null && Math.abs(Math.log(last.cr / target)) <= CLOSE) return null;
    if (probes.length >= MOST_PROBES) return null;
    const { low, high } = this.#bracket();
    // Where nothing was harsh enough so far: half of the way, then the end, which may not be either.
    const open = high.y === null && !high.failed;
    const along = open && probes.length > 1 ? 1 : share(low.y, high.y, Math.log(target));
    const toward = low.x + (high.x - low.x) * along;
    const tried = new Set(probes.map(({ value }) => value));
    for (const x of [toward, (low.x + high.x) / 2]) {
      const value = this.#rounded(this.#valueAt(x));
      if (!tried.has(value)) return value;
    }
    return null;
  }

  /** What the last `next` achieved. */
  tell(probe: Probe): void {
    this.probes.push(probe);
  }

  /** null where every run failed. */
  best(): Calibrated | null {
    const distance = ({ cr }: Probe) => Math.abs(Math.log(cr! / this.target));
    const [best] = this.probes.filter(({ cr }) => cr !== null).sort((a, b) => distance(a) - distance(b));
    if (!best) return null;
    const reached = Math.abs(best.cr! / this.target - 1) <= NEAR;
    return { value: best.value, cr: best.cr!, reached, probes: [...this.probes] };
  }

  /** Positions from 0, gentle, to 1, harsh, and logs of ratios; y is null where it is not known. */
  #bracket(): { low: { x: number; y: number }; high: { x: number; y: number | null; failed: boolean } } {
    const goal = Math.log(this.target);
    const known = this.probes.map(({ value, cr }) => ({
      x: this.#positionOf(value),
      y: cr === null ? null : Math.log(cr),
    }));
    const below = known.filter((probe): probe is { x: number; y: number } => probe.y !== null && probe.y < goal);
    const low = below.reduce((a, b) => (b.x > a.x ? b : a), { x: 0, y: 0 });
    const above = known.filter(({ x, y }) => x > low.x && (y === null || y >= goal));
    const high = above.reduce<{ x: number; y: number | null }>((a, b) => (b.x <= a.x ? b : a), { x: 1, y: null });
    return { low, high: { ...high, failed: above.length > 0 && high.y === null } };
  }

  #positionOf(value: number): number {
    const { gentle, harsh, log } = this.knob;
    const along = log ? Math.log(value / gentle) / Math.log(harsh / gentle) : (value - gentle) / (harsh - gentle);
    return Math.min(1, Math.max(0, along));
  }

  #valueAt(x: number): number {
    const { gentle, harsh, log } = this.knob;
    return log ? gentle * (harsh / gentle) ** x : gentle + (harsh - gentle) * x;
  }

  #rounded(value: number): number {
    const { step } = this.knob;
    return Number((Math.round(value / step) * step).toPrecision(8));
  }
}

/** Where between two known points a goal lies, kept from the ends; half of the way where one is not known. */
function share(low: number, high: number | null, goal: number): number {
  if (high === null || !(high > low)) return 0.5;
  return Math.min(1 - MARGIN, Math.max(MARGIN, (goal - low) / (high - low)));
}

/**
 * Runs searches side by side: `measure` gets what each that is not over wants tried, by name, and gives what was
 * achieved. `round` counts from 0.
 */
export async function calibrate(
  searches: ReadonlyMap<string, Search>,
  measure: (wanted: ReadonlyMap<string, number>, round: number) => Promise<ReadonlyMap<string, number | null>>,
): Promise<void> {
  for (let round = 0; ; round++) {
    const wanted = new Map<string, number>();
    for (const [name, search] of searches) {
      const value = search.next();
      if (value !== null) wanted.set(name, value);
    }
    if (wanted.size === 0) return;
    const found = await measure(wanted, round);
    for (const [name, value] of wanted) searches.get(name)!.tell({ value, cr: found.get(name) ?? null });
  }
}
