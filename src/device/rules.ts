// What must hold between an operation's arguments beyond their sizes; every device refuses the rest as it is recorded.
import { fail, whole } from "./checks.ts";
import type { Args } from "./fields.ts";
import type { OPS, OpName } from "./ops.ts";

type Rules = { readonly [K in OpName]?: (args: Args<(typeof OPS)[K]>) => void };

export const RULES: Rules = {
  norm: ({ eps }) => eps >= 0 || fail("norm", "eps >= 0", `${eps}`),
  rope: ({ dim }) => dim % 2 === 0 || fail("rope", "an even head width", `${dim}`),
  borrow: (args) => groups("borrow", args),
  blank: (args) => groups("blank", args),
  attend: ({ pages, rank }) =>
    !pages || rank === "none" || fail("attend", "scores of every key or a choice of pages", "both"),
  noteGates: ({ shift }) => shift <= 1 || fail("noteGates", "shift 0 or 1", `${shift}`),
  scoreNorm: (args) => acts("scoreNorm", args),
  scoreDifference: (args) => acts("scoreDifference", args),
  scoreRandom: (args) => acts("scoreRandom", args),
  scoreMean: (args) => acts("scoreMean", args),
  scoreAttention(args) {
    acts("scoreAttention", args);
    const { queries, over, group, kernel } = args;
    whole("scoreAttention", "queries", queries, 1);
    if (kernel % 2 !== 1) fail("scoreAttention", "an odd kernel", `${kernel}`);
    if (group === "layer" && (over !== "all" || kernel !== 1))
      fail("scoreAttention", "softmax over all keys and kernel 1 for a layer", `over ${over}, kernel ${kernel}`);
  },
  scoreRedundancy(args) {
    acts("scoreRedundancy", args);
    part("scoreRedundancy", "weight", args.weight);
  },
  scoreExpected(args) {
    acts("scoreExpected", args);
    whole("scoreExpected", "future", args.future, 1);
    if (!Number.isFinite(args.epsilon)) fail("scoreExpected", "a finite epsilon", `${args.epsilon}`);
  },
  keep(args) {
    acts("keep", args);
    const { recent, floor, layer, layers, share, lanes } = args;
    if (!(recent >= 0) || (recent >= 1 && !Number.isInteger(recent)))
      fail("keep", "recent keys, a whole number or a share below 1", `${recent}`);
    part("keep", "floor", floor);
    whole("keep", "layers", layers, 1);
    const { shape } = lanes;
    if (layer + layers > shape.layers) fail("keep", `layers up to ${shape.layers}`, `${layer} to ${layer + layers}`);
    if (layers > 1 && share !== "set") fail("keep", "one layer where no set shares its budgets", `${layers}`);
  },
};

const acts = (op: OpName, { slack }: { slack: number }): void => whole(op, "slack", slack, 1);

function groups(op: OpName, { queryHeads, kvHeads }: { queryHeads: number; kvHeads: number }): void {
  if (kvHeads < 1 || queryHeads % kvHeads !== 0)
    fail(op, "query heads to be a multiple of KV heads", `${queryHeads} and ${kvHeads}`);
}

function part(op: OpName, name: string, value: number): void {
  if (!(value >= 0 && value <= 1)) fail(op, `${name} from 0 to 1`, `${value}`);
}
