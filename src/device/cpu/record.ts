// Turns the calls of a pass into words.
import { HyperthinkError } from "../../base/errors.ts";
import {
  type Buffer,
  boundsLength,
  CHUNK,
  FORK,
  type Hidden,
  type Labels,
  type Lanes,
  MAX_TOP,
  type Matrix,
  type Pass,
  SAMPLE,
  STEP,
  type Work,
} from "../device.ts";
import type { OpName } from "../native.ts";
import { keeping } from "./keeping.ts";
import { bits, foreign, type Recording, window } from "./words.ts";

/** Checks what would make a kernel leave its memory; `checked.ts` is the one that explains. */
export function record(recording: Recording, objects: unknown[]): Pass {
  let op: OpName = "embed";
  const push = (...args: number[]) => recording.push(op, args);
  const start = (name: OpName) => {
    op = name;
  };

  /** The id of a buffer, found long enough. */
  function at(buffer: Hidden | Buffer, least: number): number {
    if (objects[buffer.id] !== buffer) throw foreign(op);
    if (!(least >= 0 && least <= buffer.length)) {
      const message = `${op}: expected a buffer of at least ${least} numbers, got ${buffer.length}`;
      throw new HyperthinkError("bad-argument", message);
    }
    return buffer.id;
  }
  function own(object: Matrix | Lanes): number {
    if (objects[object.id] !== object) throw foreign(op);
    return object.id;
  }
  function layerOf(lanes: Lanes, layer: number): number {
    if (Number.isInteger(layer) && layer >= 0 && layer < lanes.shape.layers) return layer;
    throw new HyperthinkError("bad-argument", `${op}: expected a layer below ${lanes.shape.layers}, got ${layer}`);
  }
  function work(w: Work, width: number): [number, number, number] {
    return [at(w.list, (w.first + w.count) * width), w.first, w.count];
  }
  function gates(labels: Labels | null): [number, number, number, number] {
    if (!labels) return [-1, 0, 0, 0];
    return [at(labels.z, 0), bits(labels.threshold), window(labels.window), labels.shift];
  }

  return {
    embed(out, table, ids, rows) {
      op = "embed";
      push(at(out, rows * table.cols), own(table), at(ids, rows), rows);
    },
    pick(out, x, index, count, dim) {
      op = "pick";
      push(at(out, count * dim), at(x, dim), at(index, count), count, dim);
    },
    norm(out, x, weight, rows, dim, eps) {
      op = "norm";
      push(at(out, rows * dim), at(x, rows * dim), at(weight, dim), rows, dim, bits(eps));
    },
    matmul(out, x, w, rows, bias, add) {
      op = "matmul";
      push(at(out, rows * w.rows), at(x, rows * w.cols), own(w), rows, bias ? at(bias, w.rows) : -1, add ? 1 : 0);
    },
    angles(out, positions, frequencies, rows) {
      op = "angles";
      const half = frequencies.length;
      push(at(out, rows * 2 * half), at(positions, rows), at(frequencies, half), rows, half);
    },
    rope(x, angles, rows, heads, dim) {
      op = "rope";
      push(at(x, rows * heads * dim), at(angles, rows * dim), rows, heads, dim);
    },
    swiglu(out, gate, up, count) {
      op = "swiglu";
      push(at(out, count), at(gate, count), at(up, count), count);
    },
    borrow(raw, q, rows, queryHeads, kvHeads, dim) {
      op = "borrow";
      push(at(raw, rows * kvHeads), at(q, rows * queryHeads * dim), rows, queryHeads, kvHeads, dim);
    },
    blank(q, rows, queryHeads, kvHeads, dim) {
      op = "blank";
      push(at(q, rows * queryHeads * dim), rows, queryHeads, kvHeads, dim);
    },
    gate(z, raw, rows, kvHeads, scale, offset, perLayer) {
      op = "gate";
      const numbers = rows * kvHeads;
      push(at(z, numbers), at(raw, numbers), rows, kvHeads, bits(scale), bits(offset), perLayer ? 1 : 0);
    },
    // Rows of the chunks and steps are checked against the buffers when the pass is planned: the lists are known then.
    attendChunk(out, q, k, v, lanes, layer, chunks, labels) {
      op = "attendChunk";
      const rows = [at(out, 0), at(q, 0), at(k, 0), at(v, 0)];
      push(...rows, own(lanes), layerOf(lanes, layer), ...work(chunks, CHUNK), ...gates(labels));
    },
    admitChunk(k, v, lanes, layer, chunks, labels) {
      op = "admitChunk";
      push(at(k, 0), at(v, 0), own(lanes), layerOf(lanes, layer), ...work(chunks, CHUNK), ...gates(labels));
    },
    admit(k, v, lanes, layer, steps, labels) {
      op = "admit";
      push(at(k, 0), at(v, 0), own(lanes), layerOf(lanes, layer), ...work(steps, STEP), ...gates(labels));
    },
    attend(out, q, lanes, layer, steps, scores, reading) {
      op = "attend";
      const heads = steps.count * lanes.shape.queryHeads;
      const weights = scores
        ? [at(scores.raw, heads * scores.stride), at(scores.lse, heads), scores.stride]
        : [-1, -1, 0];
      const { archiveQuery = null, select = null } = reading ?? {};
      const bounds = select ? at(select, boundsLength(lanes.shape)) : -1;
      const second = archiveQuery ? at(archiveQuery, 0) : -1;
      push(at(out, 0), at(q, 0), own(lanes), layerOf(lanes, layer), ...work(steps, STEP), ...weights, second, bounds);
    },
    fork(lanes, pairs, board, ring, moments) {
      op = "fork";
      const { sets, layers, kvHeads, queryHeads, headDim } = lanes.shape;
      const ranks = board ? [at(board.scores, sets * layers * kvHeads * board.stride), board.stride] : [-1, 0];
      const queries = ring ? [at(ring.q, sets * layers * ring.queries * queryHeads * headDim), ring.queries] : [-1, 0];
      const width = headDim + headDim * headDim;
      const sums = moments ? at(moments.sums, sets * layers * queryHeads * width * 2) : -1;
      push(own(lanes), ...work(pairs, FORK), ...ranks, ...queries, sums);
    },
    sample(out, logits, vocabulary, samplers, items) {
      op = "sample";
      const { count } = items;
      const results = [at(out.ids, count), at(out.logprob, count)];
      const top = [at(out.topIds, count * MAX_TOP), at(out.topLogprobs, count * MAX_TOP)];
      const filters = [at(samplers.real, 0), at(samplers.whole, 0), at(samplers.seen, 0)];
      push(...results, ...top, at(logits, 0), vocabulary, ...filters, ...work(items, SAMPLE));
    },
    ...keeping({ start, push, at, own, layerOf, work }),
  };
}
