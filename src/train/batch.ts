import { badArgument } from "../base/errors.ts";
import type { Piece, Pieces } from "./data/pieces.ts";

/**
 * Windows of tokens, one after the other: rows = windows * length. A window holds whole pieces in a row, then padding.
 * Every row belongs to one document: a piece, or the padding of one window.
 */
export interface TrainBatch {
  readonly rows: number;
  readonly windows: number;
  ids: Int32Array; // [rows], padding 0
  positions: Int32Array; // [rows], from 0 in each document
  targets: Int32Array; // [rows], the next token of the piece, else 0
  weights: Float32Array; // [rows], 1 where the target is to be predicted, else 0
  documents: Int32Array; // items (row, rows, from): from is the first row of the piece that sparsity acts on
  documentCount: number;
  used: number; // rows that belong to a piece
  window: Int32Array; // [rows], its number; -1: padding
}

/** The row of a piece from which sparsity acts, by the piece's number: a pure function. */
export type Trigger = (index: number, rows: number) => number;

export function newBatch(windows: number, length: number): TrainBatch {
  const rows = windows * length;
  return {
    rows,
    windows,
    ids: new Int32Array(rows),
    positions: new Int32Array(rows),
    targets: new Int32Array(rows),
    weights: new Float32Array(rows),
    documents: new Int32Array(3 * rows),
    documentCount: 0,
    used: 0,
    window: new Int32Array(rows),
  };
}

/**
 * Fills a batch with pieces from number `cursor` on, each in the first window that has room for it whole, up to one
 * that has room in none, and returns the number of that one: all that a later batch depends on. What is left of a
 * window is padding. Throws `bad-argument` for a piece without tokens, or longer than a window.
 */
export function packBatch(
  batch: TrainBatch,
  pieces: Pick<Pieces, "at" | "count">,
  cursor: number,
  trigger: Trigger = () => 0,
): number {
  const length = batch.rows / batch.windows;
  const windows = Array.from({ length: batch.windows }, () => ({ room: length, held: [] as [number, Piece][] }));
  let next = cursor;
  for (; next < pieces.count; next++) {
    const piece = pieces.at(next);
    const count = piece.ids.length;
    if (count === 0 || count > length)
      throw badArgument(
        `piece ${next} has ${count} tokens; expected 1 to ${length}, the length of a window: cut it before`,
      );
    const window = windows.find(({ room }) => room >= count);
    if (!window) break;
    window.held.push([next, piece]);
    window.room -= count;
  }
  batch.documentCount = 0;
  batch.used = 0;
  for (const [window, { held }] of windows.entries()) {
    let row = window * length;
    const end = row + length;
    for (const [index, piece] of held) {
      const count = piece.ids.length;
      putPiece(batch, piece, row);
      batch.window.fill(window, row, row + count);
      putDocument(batch, row, count, trigger(index, count));
      batch.used += count;
      row += count;
    }
    if (row < end) putPadding(batch, row, end);
  }
  return next;
}

function putPiece({ ids, targets, weights, positions }: TrainBatch, piece: Piece, row: number): void {
  const last = piece.ids.length - 1;
  ids.set(piece.ids, row);
  for (let i = 0; i <= last; i++) {
    positions[row + i] = i;
    targets[row + i] = i < last ? piece.ids[i + 1] : 0;
    weights[row + i] = i < last && (piece.learn === null || piece.learn[i + 1]) ? 1 : 0;
  }
}

function putPadding(batch: TrainBatch, row: number, end: number): void {
  for (const part of [batch.ids, batch.targets, batch.weights]) part.fill(0, row, end);
  for (let i = row; i < end; i++) batch.positions[i] = i - row;
  batch.window.fill(-1, row, end);
  putDocument(batch, row, end - row, 0);
}

function putDocument(batch: TrainBatch, row: number, rows: number, from: number): void {
  batch.documents.set([row, rows, from], 3 * batch.documentCount++);
}
