// The operations of training, described as those of inference are (ops.ts): general products, what runs a forward
// operation backward (named after it), attention under a soft mask, losses, updates. Gradients that an operation writes
// replace what was there; those it adds to are said to be added to.
import { choice, flag, floats, ints, list, maybe, positive, real, whole } from "./fields.ts";

const queries = "queryHeads * dim";
const keys = "kvHeads * dim";
const heads = { queryHeads: positive, kvHeads: positive, dim: positive } as const;
const documents = list("document");
/** What attention under a soft mask is given, forward and backward. */
const attended = {
  q: floats("read", "documents.row", queries),
  k: floats("read", "documents.row", keys),
  v: floats("read", "documents.row", keys),
  soft: maybe(floats("read", "documents.row", "kvHeads")),
  documents,
  ...heads,
  window: whole,
} as const;

export const TRAINING = {
  /**
   * out[i, j] = (add ? out[i, j] : 0) + bias[j] + scale * sum_k a[i, k] b[k, j]. turnA: a lies as [k, m]; turnB: b lies
   * as [n, k]. bf16: a and b are rounded to bf16 first, products and sums stay float32.
   */
  product: {
    out: floats("apart", "m", "n"),
    a: floats("read", "m", "k"),
    b: floats("read", "k", "n"),
    m: whole,
    n: whole,
    k: whole,
    turnA: flag,
    turnB: flag,
    bias: maybe(floats("read", null, "n")),
    add: flag,
    scale: real,
    bf16: flag,
  },
  /** out = own * out + other * x; a factor of 0 makes 0 of everything, NaN too. */
  blend: { out: floats("both", null, "count"), x: floats("read", null, "count"), count: whole, own: real, other: real },
  /** out[index[i]] += x[i], i ascending; rows of `dim`. */
  scatter: {
    out: floats("both", null, "dim"),
    x: floats("read", "count", "dim"),
    index: ints("count", "out"),
    count: whole,
    dim: whole,
  },
  /** out[c] += sum_r x[r, c]. */
  sumRows: { out: floats("both", null, "dim"), x: floats("read", "rows", "dim"), rows: whole, dim: whole },

  /** dx = (add ? dx : 0) + the gradient of `norm`; dweight is added to. dx may be dout where add is false. */
  normBack: {
    dx: floats("both", "rows", "dim"),
    dweight: maybe(floats("both", null, "dim")),
    dout: floats("read", "rows", "dim"),
    x: floats("read", "rows", "dim"),
    weight: floats("read", null, "dim"),
    rows: whole,
    dim: whole,
    eps: real,
    add: flag,
  },
  /** Turns gradients back by the angles, in place. */
  ropeBack: {
    dx: floats("both", "rows", "heads * dim"),
    angles: floats("read", "rows", "dim"),
    rows: whole,
    heads: whole,
    dim: whole,
  },
  /** Gradients of out = silu(gate) * up; dgate may be dout. */
  swigluBack: {
    dgate: floats("write", null, "count"),
    dup: floats("write", null, "count"),
    dout: floats("read", null, "count"),
    gate: floats("read", null, "count"),
    up: floats("read", null, "count"),
    count: whole,
  },
  /** Gradient of x * Phi(x) (`gelu`, where it was not in place); dx may be dout. */
  geluBack: {
    dx: floats("write", null, "count"),
    dout: floats("read", null, "count"),
    x: floats("read", null, "count"),
    count: whole,
  },
  /** dq's last channel of the first query head of group h = draw[r, h]. */
  borrowBack: { dq: floats("both", "rows", queries), draw: floats("read", "rows", "kvHeads"), rows: whole, ...heads },
  /** draw = dz * scale; perLayer: head 0 takes the sum, the others 0. draw may be dz. */
  decideBack: {
    draw: floats("write", "rows", "kvHeads"),
    dz: floats("read", "rows", "kvHeads"),
    rows: whole,
    kvHeads: positive,
    scale: real,
    perLayer: flag,
  },

  /**
   * What gates add to the scores of keys that left the window (DMS, arXiv 2506.05345): z = (logits + noise)
   * / tau, soft[i] = log sigmoid(-z[i + shift]), 0 for a document's last key where its label never comes. hard: z =
   * logits, soft = -1e30 where z > 0, else 0.
   */
  soften: {
    z: floats("write", "documents.row", "kvHeads"),
    soft: floats("write", "documents.row", "kvHeads"),
    logits: floats("read", "documents.row", "kvHeads"),
    noise: maybe(floats("read", "documents.row", "kvHeads")),
    documents,
    kvHeads: positive,
    tau: real,
    shift: whole,
    hard: flag,
  },
  /**
   * dlogits[j] = (-sigmoid(z[j]) dsoft[j - shift] + pull[j] sigmoid'(z[j])) / tau; pull is the gradient of the bits z >
   * 0 that the sparsity term counts, passed straight through.
   */
  softenBack: {
    dlogits: floats("write", "documents.row", "kvHeads"),
    dsoft: floats("read", "documents.row", "kvHeads"),
    z: floats("read", "documents.row", "kvHeads"),
    pull: floats("read", "documents.row", "1"),
    documents,
    kvHeads: positive,
    tau: real,
    shift: whole,
  },
  /**
   * Causal attention inside each document, scores scaled by 1 / sqrt(dim): query q adds soft[i] to the score of key i
   * where q - i > window and q is at or after the document's row `from`. lse: log-sum-exp of each query's scores.
   */
  attendSoft: {
    out: floats("apart", "documents.row", queries),
    lse: floats("apart", "documents.row", "queryHeads"),
    ...attended,
  },
  attendSoftBack: {
    dq: floats("apart", "documents.row", queries),
    dk: floats("apart", "documents.row", keys),
    dv: floats("apart", "documents.row", keys),
    dsoft: maybe(floats("apart", "documents.row", "kvHeads")),
    dout: floats("read", "documents.row", queries),
    out: floats("read", "documents.row", queries),
    lse: floats("read", "documents.row", "queryHeads"),
    ...attended,
  },
  /**
   * out[i, h]: log of the greatest part that a query of head h gives key i, over the queries at or after the document's
   * row `from` that see it, as `attendSoft` without a mask attends (lse: its); -1e30 where none does. states: the part
   * is divided by the norm of the query's row (KVzip+, arXiv 2601.07891).
   */
  peakAttention: {
    out: floats("apart", "documents.row", "queryHeads"),
    lse: floats("read", "documents.row", "queryHeads"),
    q: floats("read", "documents.row", queries),
    k: floats("read", "documents.row", keys),
    states: maybe(floats("read", "documents.row", "width")),
    documents,
    ...heads,
    width: positive,
  },

  /**
   * losses[r] = KL(student || teacher) where `reverse`, as the public recipe has it, else KL(teacher || student);
   * logits, the student's, become their gradient times weights[r]. A row of weight 0 costs nothing.
   */
  distill: {
    losses: floats("write", "rows", "1"),
    logits: floats("both", "rows", "vocabulary"),
    teacher: floats("read", "rows", "vocabulary"),
    weights: floats("read", "rows", "1"),
    rows: whole,
    vocabulary: positive,
    direction: choice("reverse", "forward"),
  },
  /** losses[r] = -log p(targets[r]); logits become their gradient times weights[r]. A row of weight 0 costs nothing. */
  predict: {
    losses: floats("write", "rows", "1"),
    logits: floats("both", "rows", "vocabulary"),
    targets: ints("rows"),
    weights: floats("read", "rows", "1"),
    rows: whole,
    vocabulary: positive,
  },

  /** out[at] = sum of squares of x. */
  squares: { out: floats("both", null, "at"), x: floats("read", null, "count"), count: whole, at: whole },
  /** x = x / max(sqrt(sum of squares), least). */
  unit: { x: floats("both", null, "count"), count: whole, least: real },
  /**
   * AdamW (arXiv 1711.05101) with g = scale * gradient; moment and second as after their corrections `first` and
   * `other` (1 - beta^t): x -= rate * (m / first / (sqrt(v / other) + eps) + decay * x).
   */
  adamw: {
    x: floats("both", null, "count"),
    gradient: floats("read", null, "count"),
    moment: floats("both", null, "count"),
    second: floats("both", null, "count"),
    count: whole,
    scale: real,
    rate: real,
    beta1: real,
    beta2: real,
    first: real,
    other: real,
    eps: real,
    decay: real,
  },
} as const;
