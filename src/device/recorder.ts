// Recording by the descriptions of ops.ts: what is wrong with an argument is said when an operation is recorded; what
// is wrong with a list, whose numbers the host may still write, before the pass runs. Every device records so, and
// kernels may trust what they get.
import { unsupported } from "../base/errors.ts";
import type { Buffer, Hidden, I32, Lanes, Matrix, Work } from "./buffers.ts";
import { atLeast, fail, whole, within } from "./checks.ts";
import { type Field, ITEMS, widthOf } from "./fields.ts";
import { MAX_TOP, OPS, type OpName, type Pass } from "./ops.ts";
import { RULES } from "./rules.ts";

export type Values = Readonly<Record<string, unknown>>;
export interface Call {
  readonly op: OpName;
  readonly args: Values;
}
type Owns = (object: { id: number }) => boolean;

/** Arguments of each operation, in the order in which devices receive them. */
export const FIELDS = Object.fromEntries(
  Object.entries(OPS).map(([op, fields]) => [op, Object.entries(fields) as [string, Field][]]),
) as Record<OpName, [string, Field][]>;

/** A pass of a device that owns what `owns` says; `sink` takes each operation once its arguments are found right. */
export function passOf(owns: Owns, sink: (call: Call) => void): Pass {
  const record = (op: OpName) => (args: Values) => {
    for (const check of CHECKS[op].arguments) check(args, owns);
    (RULES[op] as ((args: Values) => void) | undefined)?.(args);
    sink({ op, args });
  };
  return Object.fromEntries((Object.keys(OPS) as OpName[]).map((op) => [op, record(op)])) as unknown as Pass;
}

/** Throws where a list of a recorded operation names what is not there. */
export function checkLists({ op, args }: Call): void {
  for (const check of CHECKS[op].lists) check(args);
}

export type Size = (args: Values) => number;
const sizes = new Map<string, Size>();

/** A product of names: arguments, sides of matrices, letters of the lanes' shape; "a / 2" rounds up. */
export function sizeOf(expression: string): Size {
  const known = sizes.get(expression);
  if (known) return known;
  const [product, divisor = "1"] = expression.split(" / ");
  const terms = product.split(" * ").map(termOf);
  const by = Number(divisor);
  const size: Size = (args) => {
    let length = 1;
    for (const term of terms) length *= term(args);
    return by === 1 ? length : Math.ceil(length / by);
  };
  sizes.set(expression, size);
  return size;
}

const LETTERS = { Hq: "queryHeads", Hkv: "kvHeads", D: "headDim" } as const;

function termOf(name: string): Size {
  const [argument, side] = name.split(".");
  if (side) return (args) => (args[argument] as Matrix)[side as "rows" | "cols"];
  if (name in LETTERS) return (args) => (args.lanes as Lanes).shape[LETTERS[name as keyof typeof LETTERS]];
  const number = Number(name);
  return Number.isNaN(number) ? (args) => args[name] as number : () => number;
}

type Check = (args: Values, owns: Owns) => void;

const CHECKS = Object.fromEntries(
  (Object.keys(OPS) as OpName[]).map((op) => [
    op,
    {
      arguments: FIELDS[op].map(([name, field]) => checkOf(op, name, field)),
      lists: FIELDS[op].flatMap(([name, field]) => listCheckOf(op, name, field)),
    },
  ]),
) as Record<OpName, { arguments: Check[]; lists: ((args: Values) => void)[] }>;

function checkOf(op: OpName, name: string, field: Field): Check {
  const check = checkOfKind(op, name, field);
  return (args, owns) => {
    const value = args[name];
    if (value === null && field.optional) return;
    if (typeof value === "object") {
      const object = field.kind === "list" ? (value as Work).list : (value as { id: number });
      if (!owns(object)) fail(op, `${name} of this device`, "another's");
    }
    check(value, args);
  };
}

function checkOfKind(op: OpName, name: string, field: Field): (value: unknown, args: Values) => void {
  switch (field.kind) {
    case "floats": {
      const per = sizeOf(field.per);
      const rows = field.rows === null ? () => 1 : isOfList(field.rows) ? () => 0 : sizeOf(field.rows);
      return (value, args) => {
        atLeast(op, name, value as Hidden, rows(args) * per(args));
        if (field.use === "apart") apart(op, name, args);
      };
    }
    case "ints": {
      const rows = sizeOf(field.rows);
      return (value, args) => atLeast(op, name, value as I32, rows(args));
    }
    case "result": {
      const per = sizeOf(field.per);
      return (value, args) => atLeast(op, name, value as Buffer, (args[field.rows] as Work).count * per(args));
    }
    case "list": {
      const width = widthOf(field.item);
      return (value) => {
        const { list, first, count } = value as Work;
        whole(op, "first", first);
        whole(op, "count", count);
        atLeast(op, name, list, (first + count) * width);
      };
    }
    case "lanes":
      return (value) => {
        const { format } = (value as Lanes).shape;
        if (field.rewritable && !format.rewritable) sealed(op, format.name);
      };
    case "layer":
      return (value, args) => within(op, name, value as number, (args.lanes as Lanes).shape.layers);
    case "whole":
      return (value) => whole(op, name, value as number, field.least);
    case "real":
    case "double":
      return (value) => {
        if (typeof value !== "number" || Number.isNaN(value)) fail(op, `a number as ${name}`, `${value}`);
      };
    case "choice":
      return (value) => {
        if (!field.of.includes(value as string)) fail(op, `${name} to be ${field.of.join(" or ")}`, `${value}`);
      };
    default:
      return () => {};
  }
}

function listCheckOf(op: OpName, name: string, field: Field): ((args: Values) => void)[] {
  if (field.kind === "ints" && field.of !== null) {
    const { of } = field;
    const count = sizeOf(field.rows);
    return [(args) => checkInts(op, name, args, count, of)];
  }
  if (field.kind !== "list") return [];
  const columns = ITEMS[field.item] as readonly string[];
  const width = columns.length;
  const columnOf = (column: string) => columns.indexOf(column);
  const [set, row, rows, top] = ["set", "row", "rows", "top"].map(columnOf);
  const sets = [set, columnOf("source"), columnOf("target")].filter((c) => c >= 0);
  const buffers = ["row", "sampler"].flatMap((column) => buffersOf(op, `${name}.${column}`));
  return [
    (args) => {
      const { list, first, count } = args[name] as Work;
      const { host } = list;
      const shape = (args.lanes as Lanes | undefined)?.shape;
      const limits = buffers.flatMap(({ column, buffer, per }) => {
        const rowsOf = args[buffer] as Hidden | null;
        return rowsOf
          ? [{ c: columnOf(column), what: `a ${column} of ${buffer}`, rows: Math.floor(rowsOf.length / per(args)) }]
          : [];
      });
      stamp++;
      for (let at = first * width; at < (first + count) * width; at += width) {
        for (let c = 0; c < width; c++) if (host[at + c] < (c === top ? -1 : 0)) whole(op, columns[c], host[at + c]);
        for (const c of sets) if (host[at + c] >= shape!.sets) within(op, `a ${columns[c]}`, host[at + c], shape!.sets);
        if (top >= 0 && host[at + top] > MAX_TOP) within(op, "top", host[at + top], MAX_TOP + 1);
        const more = rows < 0 ? 0 : host[at + rows] - 1;
        if (field.single && more !== 0) fail(op, "one row per step", `${more + 1}`);
        for (const { c, what, rows } of limits) {
          const last = host[at + c] + (c === row ? more : 0);
          if (last >= rows) within(op, what, last, rows);
        }
        if (set >= 0) once(op, host[at + set]);
        if (field.item === "repeat") inOrder(op, host.subarray(at, at + width));
      }
    },
  ];
}

/** Arguments whose rows a column of a list names. */
function buffersOf(op: OpName, rows: string) {
  const [, column] = rows.split(".");
  return FIELDS[op].flatMap(([buffer, field]) =>
    "per" in field && field.rows === rows ? [{ column, buffer, per: sizeOf(field.per) }] : [],
  );
}

/** By set: the last list that named it. */
const named: number[] = [];
let stamp = 0;

function once(op: OpName, set: number): void {
  if (named[set] === stamp) fail(op, "each set once in a list", `set ${set} again`);
  named[set] = stamp;
}

/** Slots that repeated tokens attend to lie among the prompt's, which all came before. */
function inOrder(op: OpName, [, , , position, , from, to, tokens]: Int32Array): void {
  within(op, "tokens", tokens, position + 1);
  within(op, "last slot", to, tokens + 1);
  within(op, "first slot", from, to + 1);
}

function checkInts(op: OpName, name: string, args: Values, count: Size, of: string): void {
  const target = args[of] as Matrix | Hidden;
  const field = FIELDS[op].find(([other]) => other === of)![1];
  const rows =
    "per" in field ? Math.floor((target as Hidden).length / sizeOf(field.per)(args)) : (target as Matrix).rows;
  const { host } = args[name] as I32;
  for (let i = count(args) - 1; i >= 0; i--)
    if (!(host[i] >= 0 && host[i] < rows)) within(op, `${name}[${i}]`, host[i], rows);
}

function isOfList(rows: string): boolean {
  return rows.includes(".");
}

function apart(op: OpName, name: string, args: Values): void {
  for (const other in args)
    if (other !== name && args[other] === args[name])
      fail(op, `${name} and ${other} to be two buffers`, "one for both");
}

function sealed(op: string, format: string): never {
  const message = `${op}: expected pages that can be written again, got format ${format}, which seals full pages`;
  throw unsupported(message);
}
