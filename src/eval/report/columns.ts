// Words and columns that several tables and figures have.

import type { Budget } from "../metrics/cost.ts";
import type { TaskReport } from "./report.ts";
import type { Column } from "./table.ts";

export const BUDGET_NAMES: Record<Budget, string> = {
  reads: "KV reads",
  tokens: "tokens",
  peakKeys: "peak keys",
  peakBytes: "peak bytes",
};

export const column = (name: string, title: string, unit: Column["unit"], interval = false): Column => ({
  name,
  title,
  unit,
  interval,
});
export const unitOf = (budget: Budget): Column["unit"] => (budget === "peakBytes" ? "bytes" : "number");

/** What the accuracy of w chains is called. */
export const accuracyName = (kind: TaskReport["kind"], w: number | string): string =>
  kind === "pass" ? `pass@${w}` : kind === "vote" ? `maj@${w}` : "accuracy";

/** What the average of a task is called. */
export const averageName = ({ kind, measure }: Pick<TaskReport, "kind" | "measure">): string =>
  measure ?? (kind === "value" ? "accuracy" : "avg@1");

/** Most tokens of a chain, as budgets write it. */
export const lengthName = (length: number): string => (length % 1024 === 0 ? `${length / 1024}k` : String(length));
