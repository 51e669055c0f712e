// What must hold between an operation's arguments beyond their sizes; every device refuses the rest as it is recorded.
import { fail } from "./checks.ts";
import type { Args } from "./fields.ts";
import type { OPS, OpName } from "./ops.ts";

type Rules = { readonly [K in OpName]?: (args: Args<(typeof OPS)[K]>) => void };

export const RULES: Rules = {
  norm: ({ eps }) => eps >= 0 || fail("norm", "eps >= 0", `${eps}`),
  rope: ({ dim }) => dim % 2 === 0 || fail("rope", "an even head width", `${dim}`),
  borrow: (args) => groups("borrow", args),
  blank: (args) => groups("blank", args),
  ropeBack: ({ dim }) => dim % 2 === 0 || fail("ropeBack", "an even head width", `${dim}`),
  borrowBack: (args) => groups("borrowBack", args),
  soften: ({ shift }) => shift <= 1 || fail("soften", "shift 0 or 1", `${shift}`),
  softenBack: ({ shift }) => shift <= 1 || fail("softenBack", "shift 0 or 1", `${shift}`),
  attendSoft: (args) => groups("attendSoft", args),
  attendSoftBack: (args) => groups("attendSoftBack", args),
  peakAttention: (args) => groups("peakAttention", args),
  squares: ({ out, at }) => out.length > at || fail("squares", `out of more than ${at} numbers`, `${out.length}`),
  attend: ({ pages, rank }) =>
    !pages || rank === "none" || fail("attend", "scores of every key or a choice of pages", "both"),
  noteGates: ({ shift }) => shift <= 1 || fail("noteGates", "shift 0 or 1", `${shift}`),
  scoreAttention({ over, group, kernel }) {
    if (kernel % 2 !== 1) fail("scoreAttention", "an odd kernel", `${kernel}`);
    if (group === "layer" && (over !== "all" || kernel !== 1))
      fail("scoreAttention", "softmax over all keys and kernel 1 for a layer", `over ${over}, kernel ${kernel}`);
  },
  scoreRedundancy: ({ weight }) => part("scoreRedundancy", "weight", weight),
  scoreRange: ({ part: share }) => part("scoreRange", "part", share),
  scoreExpected: ({ epsilon }) => Number.isFinite(epsilon) || fail("scoreExpected", "a finite epsilon", `${epsilon}`),
  keep({ recent, floor, layer, layers, share, lanes: { shape } }) {
    if (!(recent >= 0) || (recent >= 1 && !Number.isInteger(recent)))
      fail("keep", "recent keys, a whole number or a share below 1", `${recent}`);
    part("keep", "floor", floor);
    if (layer + layers > shape.layers) fail("keep", `layers up to ${shape.layers}`, `${layer} to ${layer + layers}`);
    if (layers > 1 && share !== "set") fail("keep", "one layer where no set shares its budgets", `${layers}`);
  },
};

function groups(op: OpName, { queryHeads, kvHeads }: { queryHeads: number; kvHeads: number }): void {
  if (kvHeads < 1 || queryHeads % kvHeads !== 0)
    fail(op, "query heads to be a multiple of KV heads", `${queryHeads} and ${kvHeads}`);
}

function part(op: OpName, name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) fail(op, `${name} from 0 to 1`, `${value}`);
}
