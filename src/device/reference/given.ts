// What the operations of the reference are given: arguments as recorded, with the numbers at hand.
import type { Buffer, Matrix, Work } from "../device.ts";
import { type Field, ITEMS, type ItemKind, widthOf } from "../fields.ts";
import type { OPS, OpName } from "../ops.ts";
import { type Call, FIELDS } from "../recorder.ts";
import type { LaneStore } from "./store.ts";

/** A matrix whose numbers lie in the host's memory. */
export interface Grid extends Matrix {
  readonly values: Float32Array; // [rows, cols]
}
export type Item<K extends ItemKind> = { readonly [C in (typeof ITEMS)[K][number]]: number };
export type Run = Item<"run">;

interface Arrays {
  f32: Float32Array;
  i32: Int32Array;
  u32: Uint32Array;
}
interface Plain {
  floats: Float32Array;
  ints: Int32Array;
  matrix: Grid;
  lanes: LaneStore;
  layer: number;
  whole: number;
  real: number;
  double: number;
  flag: boolean;
}
type Resolved<F> = F extends { kind: "choice"; of: readonly (infer C)[] }
  ? C
  : F extends { kind: "table" | "result"; type: infer T extends keyof Arrays }
    ? Arrays[T]
    : F extends { kind: "list"; item: infer I extends ItemKind }
      ? readonly Item<I>[]
      : F extends { kind: infer K extends keyof Plain }
        ? Plain[K]
        : never;
export type Given<K extends OpName> = {
  readonly [A in keyof (typeof OPS)[K]]: (typeof OPS)[K][A] extends { optional: true }
    ? Resolved<(typeof OPS)[K][A]> | null
    : Resolved<(typeof OPS)[K][A]>;
};

export function given({ op, args }: Call): unknown {
  return Object.fromEntries(FIELDS[op].map(([name, field]) => [name, numbersOf(field, args[name])]));
}

function numbersOf(field: Field, value: unknown): unknown {
  if (value === null) return null;
  if (field.kind === "list") return itemsOf(field.item, value as Work);
  const buffers: readonly string[] = ["floats", "ints", "table", "result"];
  return buffers.includes(field.kind) ? (value as Buffer).host : value;
}

function itemsOf(kind: ItemKind, { list, first, count }: Work): unknown[] {
  const width = widthOf(kind);
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(ITEMS[kind].map((column, c) => [column, list.host[(first + i) * width + c]])),
  );
}
