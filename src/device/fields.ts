// The words in which ops.ts describes operations: kinds of arguments, items of lists, and the TypeScript types that
// follow from them.
import type { Buffer, Hidden, I32, Lanes, Matrix, Work } from "./buffers.ts";

/** Numbers per item of each kind of list, in order. Rows of a run hold consecutive positions of one chain. */
export const ITEMS = {
  run: ["set", "row", "rows", "position"],
  pair: ["source", "set"],
  copy: ["source", "set", "row", "rows", "position"], // row: of the gates
  repeat: ["set", "row", "rows", "position", "target", "from", "to", "tokens"],
  document: ["row", "rows", "from"], // from: first of its rows whose query sees the soft mask, or counts
  draw: ["row", "sampler", "position", "top"], // top: log-probabilities wanted (0..MAX_TOP, -1: none at all)
} as const;
export type ItemKind = keyof typeof ITEMS;
/** Numbers per item of a list. */
export const widthOf = (kind: ItemKind): number => ITEMS[kind].length;

/** apart: written, and no other argument's buffer. */
type Use = "read" | "write" | "both" | "apart";
export type Field = { readonly optional?: true } & (
  | { readonly kind: "floats"; readonly use: Use; readonly rows: string | null; readonly per: string }
  | { readonly kind: "ints"; readonly rows: string; readonly of: string | null }
  | {
      readonly kind: "table" | "result";
      readonly type: "f32" | "i32" | "u32";
      readonly rows: string;
      readonly per: string;
    }
  | { readonly kind: "list"; readonly item: ItemKind; readonly single?: true }
  | { readonly kind: "choice"; readonly of: readonly string[] }
  | { readonly kind: "lanes"; readonly rewritable?: true }
  | { readonly kind: "whole"; readonly least: number }
  | { readonly kind: "matrix" | "layer" | "real" | "double" | "flag" }
);

/**
 * Device memory: `rows` rows (an argument, a list's "runs.row", null: one or as many as there are) of `per` numbers.
 */
export const floats = (use: Use, rows: string | null, per: string) => ({ kind: "floats", use, rows, per }) as const;
/** Whole numbers that travel with the pass; `of`: each names a row of that argument. */
export const ints = (rows: string, of: string | null = null) => ({ kind: "ints", rows, of }) as const;
/** A host's table that goes up when the host says what it wrote. */
export const table = (type: "f32" | "u32", rows: string, per: string) => ({ kind: "table", type, rows, per }) as const;
/** Numbers that come back when the pass has run; `rows` is a list: one row per item. */
export const result = (type: "f32" | "i32", rows: string, per: string) =>
  ({ kind: "result", type, rows, per }) as const;
export const list = <K extends ItemKind>(item: K) => ({ kind: "list", item }) as const;
/** Runs of one row each. */
export const steps = { kind: "list", item: "run", single: true } as const;
export const choice = <const T extends readonly string[]>(...of: T) => ({ kind: "choice", of }) as const;
export const maybe = <F extends Field>(field: F) => ({ ...field, optional: true }) as const;
export const matrix = { kind: "matrix" } as const;
export const lanes = { kind: "lanes" } as const;
/** Lanes whose full pages are written again: their page format must allow it. */
export const rewritable = { kind: "lanes", rewritable: true } as const;
/** A layer of the lanes. */
export const layer = { kind: "layer" } as const;
export const whole = { kind: "whole", least: 0 } as const;
export const positive = { kind: "whole", least: 1 } as const;
export const real = { kind: "real" } as const; // float32
export const double = { kind: "double" } as const; // float64
export const flag = { kind: "flag" } as const;

interface Values {
  floats: Hidden;
  ints: I32;
  table: Buffer;
  result: Buffer;
  list: Work;
  matrix: Matrix;
  lanes: Lanes;
  layer: number;
  whole: number;
  real: number;
  double: number;
  flag: boolean;
}
type Value<F> = F extends { kind: "choice"; of: readonly (infer C)[] }
  ? C
  : F extends { kind: infer K extends keyof Values }
    ? Values[K]
    : never;
/** What a call of an operation is given. */
export type Args<O> = {
  readonly [K in keyof O]: O[K] extends { optional: true } ? Value<O[K]> | null : Value<O[K]>;
};
