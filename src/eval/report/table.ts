// A table as plain data, and how its numbers are told: in text with their intervals, in CSV bare.

import { size } from "../../base/size.ts";
import { visible } from "../../base/visible.ts";
import type { Interval } from "../metrics/interval.ts";

/** share: 0 to 1, told in percent; gain: of shares, told in points with its sign. */
export type Unit = "text" | "count" | "number" | "share" | "gain" | "ratio" | "bytes" | "precise";

export interface Column {
  /** Unique in a table: the name in CSV, where an interval has NAME_low and NAME_high beside it. */
  name: string;
  title: string;
  unit: Unit;
  interval?: boolean;
}

export type Cell = string | number | Interval | null;

export interface Table {
  name: string; // of its file
  title: string;
  /** What its columns mean. */
  about: string;
  columns: Column[];
  rows: Cell[][];
  /** Too long to be read: only CSV has it. */
  long?: boolean;
}

/** "950", "1.2k", "34k", "1.5M". */
export function compact(n: number): string {
  const units = ["", "k", "M", "G", "T"];
  let [value, unit] = [n, 0];
  while (Math.abs(value) >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits =
    unit === 0 && Number.isInteger(value) ? 0 : Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)}${units[unit]}`;
}

const signed = (text: string): string => (text.startsWith("-") || /^0\.0+$/.test(text) ? text : `+${text}`);

const TOLD: Record<Exclude<Unit, "text">, (n: number) => string> = {
  count: (n) => Math.round(n).toLocaleString("en-US"),
  number: compact,
  share: (n) => (100 * n).toFixed(1),
  gain: (n) => signed((100 * n).toFixed(1).replace(/^-(0\.0)$/, "$1")),
  ratio: (n) => n.toFixed(2),
  bytes: size,
  precise: (n) => (n === 0 ? "0" : n.toPrecision(4)),
};

/** A cell as text: "62.3 [58.1, 66.4]". */
export function told(cell: Cell, unit: Unit, bare = false): string {
  if (cell === null) return "-";
  if (typeof cell === "string") return visible(cell);
  const tell = unit === "text" ? String : (n: number) => (Number.isFinite(n) ? TOLD[unit](n) : "-");
  if (typeof cell === "number") return tell(cell);
  if (!Number.isFinite(cell.mean)) return "-";
  return bare ? tell(cell.mean) : `${tell(cell.mean)} [${tell(cell.low)}, ${tell(cell.high)}]`;
}

/** A title with its unit. */
export const heading = ({ title, unit }: Column): string =>
  unit === "share" ? `${title} (%)` : unit === "gain" ? `${title} (points)` : title;

/** Tables of one name, of several tasks, as CSV (RFC 4180): numbers in full, shares from 0 to 1. */
export function csvOf(parts: readonly { task: string; table: Table }[]): string {
  const columns = new Map<string, Column>();
  for (const { table } of parts) for (const column of table.columns) columns.set(column.name, column);
  const head = [...columns.values()].flatMap(({ name, interval }) =>
    interval ? [name, `${name}_low`, `${name}_high`] : [name],
  );
  const lines = [["task", ...head.map(csvCell)]];
  for (const { task, table } of parts)
    for (const row of table.rows) {
      const cells = new Map(table.columns.map(({ name }, i) => [name, row[i]]));
      lines.push([
        csvCell(task),
        ...[...columns].flatMap(([name, { interval }]) => {
          const cell = cells.get(name) ?? null;
          if (!interval) return [csvCell(cell)];
          return cell === null || typeof cell !== "object"
            ? [csvCell(cell), "", ""]
            : [cell.mean, cell.low, cell.high].map(csvCell);
        }),
      ]);
    }
  return `${lines.map((line) => line.join(",")).join("\r\n")}\r\n`;
}

function csvCell(cell: Cell): string {
  if (cell === null || typeof cell === "object") return "";
  if (typeof cell === "number") return Number.isFinite(cell) ? String(cell) : "";
  // A spreadsheet would run a text from a record that begins like a formula.
  const text = /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : cell;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** As Markdown (GitHub's tables). */
export function markdownOf({ columns, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(columns.map((column) => markdownText(heading(column)))),
    line(columns.map(({ unit }) => (unit === "text" ? "---" : "---:"))),
    ...rows.map((row) =>
      line(row.map((cell, i) => (typeof cell === "string" ? markdownText(cell) : told(cell, columns[i].unit)))),
    ),
  ].join("\n");
}

/** A text by others as Markdown that shows it as it is. */
export const markdownText = (text: string): string =>
  visible(text)
    .replace(/[\\`*_{}[\]<>|~#!$]/g, (c) => `\\${c}`)
    .replaceAll("&", "&amp;")
    .replace(/(https?|ftp|www)(?=[:.])/gi, "$1\\");
