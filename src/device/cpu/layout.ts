// What the kernels must know beside the descriptions of operations. kernels/ops.h is written from both
// (kernels/header.ts).
import { createHash } from "node:crypto";
import {
  DEAD_NONE,
  DEAD_PENDING,
  LANE_TABLES,
  type LaneShape,
  NO_LABELS,
  PAGE_FORMATS,
  PAGE_SLOTS,
  SPAN_PAGES,
  SPAN_SLOTS,
  WEIGHT_FORMATS,
} from "../device.ts";
import { ITEMS } from "../fields.ts";
import { MAX_TOP, OPS, SAMPLER } from "../ops.ts";

/** The widest head that the kernels have room for. */
export const MOST_HEAD_DIM = 1024;

/** Numbers of both languages, by their names in C++. */
export const CONSTANTS = {
  PAGE: PAGE_SLOTS,
  SPAN_PAGES,
  SPAN: SPAN_SLOTS,
  DEAD_NONE,
  DEAD_PENDING,
  NO_LABELS,
  MAX_TOP,
  SAMPLER,
} as const;

/** Sizes of lanes, in the order in which the kernels get them; the page format's number follows. */
export const SHAPE = [
  "sets",
  "layers",
  "kvHeads",
  "queryHeads",
  "headDim",
  "pages",
  "archivePages",
  "doomedPages",
] as const satisfies readonly (keyof LaneShape)[];

/** Formats are numbered in these orders. */
export const PAGE_FORMAT_NAMES = Object.keys(PAGE_FORMATS);
export const WEIGHT_FORMAT_NAMES = Object.keys(WEIGHT_FORMATS);

let signed: string | undefined;

/** Differs where kernels and this program disagree on any of it. */
export function signature(): string {
  const all = [OPS, ITEMS, CONSTANTS, SHAPE, Object.keys(LANE_TABLES), PAGE_FORMAT_NAMES, WEIGHT_FORMAT_NAMES];
  signed ??= createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 16);
  return signed;
}
