// From values to pixels, and where ticks stand.

import { size } from "../../../base/size.ts";
import { compact } from "../table.ts";

export interface Axis {
  title: string;
  /** log: positive values only. */
  kind: "linear" | "log";
  unit: "percent" | "number" | "bytes" | "ratio";
  from: number;
  to: number;
}

export interface Tick {
  value: number;
  label: string;
}

/** Place of a value along an axis, 0 to 1. */
export function placeOf({ kind, from, to }: Axis, value: number): number {
  return kind === "linear" ? (value - from) / (to - from) : Math.log(value / from) / Math.log(to / from);
}

const LABELS: Record<Axis["unit"], (value: number) => string> = {
  percent: (value) => String(Math.round(value * 1000) / 10),
  number: (value) => compact(value).replace(/\.0+(?=\D|$)|(\.\d*[1-9])0+(?=\D|$)/, "$1"),
  bytes: (value) => size(value).replace(/\.0+ |(\.\d*[1-9])0+ /, "$1 "),
  ratio: (value) => String(Math.round(value * 100) / 100),
};

/** About five, at round values. */
export function ticksOf(axis: Axis): Tick[] {
  const { kind, unit, from, to } = axis;
  const values =
    kind === "linear" ? round(from, to) : logarithmic(from, to, unit === "bytes" || unit === "ratio" ? 2 : 10);
  return values.map((value) => ({ value, label: LABELS[unit](value) }));
}

/** 1, 2 or 5 times a power of ten, that divides a range into about so many. */
function stepOf(range: number, about: number): number {
  const power = 10 ** Math.floor(Math.log10(range / about));
  return [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= (range / about) * 0.999)!;
}

function round(from: number, to: number, about = 5): number[] {
  const step = stepOf(to - from, about);
  const first = Math.ceil(from / step - 1e-9);
  return Array.from({ length: Math.floor(to / step + 1e-9) - first + 1 }, (_, i) => (first + i) * step);
}

/** Powers of the base, or what lies between them where there are too few; round values where it is not even one. */
function logarithmic(from: number, to: number, base: 2 | 10): number[] {
  const grids = base === 2 ? [[1], [1, 1.5]] : [[1], [1, 3], [1, 2, 5]];
  const on = (factors: readonly number[], stride: number) => {
    const powers = Math.ceil(Math.log(to / from) / Math.log(base)) + 2;
    const first = Math.floor(Math.log(from) / Math.log(base) / stride) * stride;
    return Array.from({ length: powers }, (_, i) => base ** (first + i * stride))
      .flatMap((power) => factors.map((factor) => factor * power))
      .filter((value) => value >= from * 0.9999 && value <= to * 1.0001);
  };
  for (let stride = Math.ceil(Math.log(to / from) / Math.log(base) / 6); stride > 1; stride--) {
    const values = on([1], stride);
    if (values.length >= 3) return values;
  }
  const even = [4, 8].map((about) => round(from, to, about));
  return (
    grids.map((factors) => on(factors, 1)).find((values) => values.length >= 3) ??
    even.find((values) => values.length >= 2)!
  );
}

/** An axis of shares that holds these, with ticks at its ends. */
export const percentAxis = (title: string, values: readonly number[]): Axis => linearAxis(title, "percent", values, 1);

/** The same of numbers from 0, up to `most`. */
export function linearAxis(title: string, unit: Axis["unit"], values: readonly number[], most = Infinity): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = Math.max((high - low) * 0.06, high * 0.01, 0.01);
  let [from, to] = [Math.max(0, low - pad), Math.min(most, high + pad)];
  // Ends that are moved to ticks may ask for larger steps.
  for (let turn = 0; turn < 3; turn++) {
    const step = stepOf(to - from, 5);
    [from, to] = [Math.floor(from / step + 1e-9) * step, Math.min(most, Math.ceil(to / step - 1e-9) * step)];
  }
  return { title, kind: "linear", unit, from, to };
}

/** A logarithmic axis with room beside these values, which are above 0. */
export function logAxis(title: string, unit: Axis["unit"], values: readonly number[]): Axis {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = Math.max((high / low) ** 0.06, 1.12);
  return { title, kind: "log", unit, from: low / pad, to: high * pad };
}
