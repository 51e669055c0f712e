// A device that refuses wrong shapes when an operation is recorded, and wrong tables when a pass runs: for tests.
import {
  apart,
  atLeast,
  boardSize,
  boundsSize,
  exactly,
  fail,
  groups,
  momentsSize,
  range,
  ringSize,
  rowsOf,
  scoreSizes,
  whole,
  work,
} from "./checked/arguments.ts";
import { checkedKeeping } from "./checked/keeping.ts";
import { checkTables, type Use } from "./checked/tables.ts";
import { CHUNK, type Device, FORK, MAX_TOP, type Pass, SAMPLE, SAMPLER_F, SAMPLER_U, STEP } from "./device.ts";

/** Wraps `device`; every operation reaches it unchanged once its arguments are found right. */
export function checked(device: Device): Device {
  const recorded = new WeakMap<Pass, { pass: Pass; uses: Use[] }>();
  return {
    name: device.name,
    description: `${device.description}, checked`,
    f32: (length) => device.f32(whole("f32", "length", length, 0)),
    i32: (length) => device.i32(whole("i32", "length", length, 0)),
    u32: (length) => device.u32(whole("u32", "length", length, 0)),
    hidden: (length) => device.hidden(whole("hidden", "length", length, 0)),
    matrix(rows, cols, dtype) {
      whole("matrix", "rows", rows, 1);
      whole("matrix", "cols", cols, 1);
      return device.matrix(rows, cols, dtype);
    },
    writeRows(matrix, first, values) {
      whole("writeRows", "first", first, 0);
      const rows = values.length / matrix.cols;
      if (!Number.isInteger(rows))
        fail("writeRows", `values of whole rows of ${matrix.cols}`, `${values.length} numbers`);
      if (first + rows > matrix.rows) fail("writeRows", `rows below ${matrix.rows}`, `${first} to ${first + rows - 1}`);
      device.writeRows(matrix, first, values);
    },
    lanes(shape) {
      for (const name of ["sets", "layers", "kvHeads", "queryHeads", "headDim", "pages", "archivePages"] as const) {
        whole("lanes", name, shape[name], 1);
      }
      whole("lanes", "doomedPages", shape.doomedPages, 0);
      whole("lanes", "sparePages", shape.sparePages, 0);
      groups("lanes", shape.queryHeads, shape.kvHeads);
      return device.lanes(shape);
    },
    begin() {
      const pass = device.begin();
      const uses: Use[] = [];
      const outer = checkedPass(pass, uses);
      recorded.set(outer, { pass, uses });
      return outer;
    },
    async run(outer) {
      const entry = recorded.get(outer);
      if (!entry) return fail("run", "a pass that this device began", "another");
      checkTables(entry.uses);
      await device.run(entry.pass);
    },
    async read(from, at, into) {
      whole("read", "from", at, 0);
      atLeast("read", "buffer", from, at + into.length);
      await device.read(from, at, into);
    },
    live(lanes, lane) {
      whole("live", "lane", lane, 0);
      atLeast("live", "lanes", lanes.archive, lane + 1);
      return device.live(lanes, lane);
    },
    keys(lanes, lane) {
      whole("keys", "lane", lane, 0);
      atLeast("keys", "lanes", lanes.archive, lane + 1);
      return device.keys(lanes, lane);
    },
    close: () => device.close(),
  };
}

function checkedPass(pass: Pass, uses: Use[]): Pass {
  return {
    embed(out, table, ids, rows) {
      whole("embed", "rows", rows, 0);
      atLeast("embed", "out", out, rows * table.cols);
      atLeast("embed", "ids", ids, rows);
      uses.push({ op: "embed", kind: "index", index: ids, count: rows, below: table.rows });
      pass.embed(out, table, ids, rows);
    },
    pick(out, x, index, count, dim) {
      whole("pick", "count", count, 0);
      whole("pick", "dim", dim, 1);
      atLeast("pick", "out", out, count * dim);
      atLeast("pick", "index", index, count);
      apart("pick", "out", out, "x", x);
      uses.push({ op: "pick", kind: "index", index, count, below: Math.floor(x.length / dim) });
      pass.pick(out, x, index, count, dim);
    },
    norm(out, x, weight, rows, dim, eps) {
      whole("norm", "rows", rows, 0);
      whole("norm", "dim", dim, 1);
      atLeast("norm", "out", out, rows * dim);
      atLeast("norm", "x", x, rows * dim);
      exactly("norm", "weight", weight, dim);
      if (!(eps >= 0)) fail("norm", "eps >= 0", `${eps}`);
      pass.norm(out, x, weight, rows, dim, eps);
    },
    matmul(out, x, w, rows, bias, add) {
      whole("matmul", "rows", rows, 0);
      atLeast("matmul", "out", out, rows * w.rows);
      atLeast("matmul", "x", x, rows * w.cols);
      if (bias) exactly("matmul", "bias", bias, w.rows);
      apart("matmul", "out", out, "x", x);
      pass.matmul(out, x, w, rows, bias, add);
    },
    angles(out, positions, frequencies, rows) {
      whole("angles", "rows", rows, 0);
      atLeast("angles", "out", out, rows * 2 * frequencies.length);
      atLeast("angles", "positions", positions, rows);
      pass.angles(out, positions, frequencies, rows);
    },
    rope(x, angles, rows, heads, dim) {
      whole("rope", "rows", rows, 0);
      if (dim % 2 !== 0 || dim < 2) fail("rope", "an even head width", `${dim}`);
      atLeast("rope", "x", x, rows * heads * dim);
      atLeast("rope", "angles", angles, rows * dim);
      pass.rope(x, angles, rows, heads, dim);
    },
    swiglu(out, gate, up, count) {
      whole("swiglu", "count", count, 0);
      for (const [name, buffer] of Object.entries({ out, gate, up })) atLeast("swiglu", name, buffer, count);
      pass.swiglu(out, gate, up, count);
    },
    borrow(raw, q, rows, queryHeads, kvHeads, dim) {
      groups("borrow", queryHeads, kvHeads);
      atLeast("borrow", "raw", raw, rows * kvHeads);
      atLeast("borrow", "q", q, rows * queryHeads * dim);
      pass.borrow(raw, q, rows, queryHeads, kvHeads, dim);
    },
    blank(q, rows, queryHeads, kvHeads, dim) {
      groups("blank", queryHeads, kvHeads);
      atLeast("blank", "q", q, rows * queryHeads * dim);
      pass.blank(q, rows, queryHeads, kvHeads, dim);
    },
    gate(z, raw, rows, kvHeads, scale, offset, perLayer) {
      whole("gate", "rows", rows, 0);
      atLeast("gate", "z", z, rows * kvHeads);
      atLeast("gate", "raw", raw, rows * kvHeads);
      pass.gate(z, raw, rows, kvHeads, scale, offset, perLayer);
    },
    attendChunk(out, q, k, v, lanes, layer, chunks, labels) {
      work("attendChunk", lanes, layer, chunks, CHUNK, labels);
      apart("attendChunk", "out", out, "q", q);
      const rows = rowsOf(lanes, { out, q }, { k, v }, labels);
      uses.push({ op: "attendChunk", kind: "chunk", lanes, work: chunks, rows });
      pass.attendChunk(out, q, k, v, lanes, layer, chunks, labels);
    },
    admitChunk(k, v, lanes, layer, chunks, labels) {
      work("admitChunk", lanes, layer, chunks, CHUNK, labels);
      uses.push({ op: "admitChunk", kind: "chunk", lanes, work: chunks, rows: rowsOf(lanes, {}, { k, v }, labels) });
      pass.admitChunk(k, v, lanes, layer, chunks, labels);
    },
    admit(k, v, lanes, layer, steps, labels) {
      work("admit", lanes, layer, steps, STEP, labels);
      uses.push({ op: "admit", kind: "step", lanes, work: steps, rows: rowsOf(lanes, {}, { k, v }, labels) });
      pass.admit(k, v, lanes, layer, steps, labels);
    },
    attend(out, q, lanes, layer, steps, scores, reading) {
      work("attend", lanes, layer, steps, STEP, null);
      apart("attend", "out", out, "q", q);
      if (scores) scoreSizes("attend", lanes, steps, scores);
      const second = reading?.archiveQuery ?? null;
      if (second) apart("attend", "out", out, "archiveQuery", second);
      if (reading?.select) {
        boundsSize("attend", lanes, reading.select);
        if (scores) fail("attend", "scores of every key or a choice of pages", "both");
      }
      const rows = rowsOf(lanes, second ? { out, q, second } : { out, q }, {}, null);
      uses.push({ op: "attend", kind: "step", lanes, work: steps, rows, stride: scores?.stride });
      pass.attend(out, q, lanes, layer, steps, scores, reading);
    },
    fork(lanes, pairs, board, ring, moments) {
      range("fork", pairs, FORK);
      if (board) boardSize("fork", lanes, board);
      if (ring) ringSize("fork", lanes, ring);
      if (moments) momentsSize("fork", lanes, moments);
      uses.push({ op: "fork", kind: "fork", lanes, work: pairs, stride: board?.stride });
      pass.fork(lanes, pairs, board, ring, moments);
    },
    sample(out, logits, vocabulary, samplers, items) {
      range("sample", items, SAMPLE);
      whole("sample", "vocabulary", vocabulary, 1);
      for (const [name, width] of [
        ["ids", 1],
        ["logprob", 1],
        ["topIds", MAX_TOP],
        ["topLogprobs", MAX_TOP],
      ] as const) {
        atLeast("sample", name, out[name], items.count * width);
      }
      const count = Math.floor(samplers.real.length / SAMPLER_F);
      atLeast("sample", "whole", samplers.whole, count * SAMPLER_U);
      atLeast("sample", "seen", samplers.seen, count * Math.ceil(vocabulary / 32));
      uses.push({
        op: "sample",
        kind: "sample",
        work: items,
        rows: Math.floor(logits.length / vocabulary),
        samplers: count,
      });
      pass.sample(out, logits, vocabulary, samplers, items);
    },
    ...checkedKeeping(pass, uses),
  };
}
