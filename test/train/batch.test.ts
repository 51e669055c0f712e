import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HyperthinkError } from "../../src/base/errors.ts";
import { type Seeded, seeded } from "../../src/base/rng.ts";
import { newBatch, packBatch, type TrainBatch, type Trigger } from "../../src/train/batch.ts";
import type { Piece } from "../../src/train/data/pieces.ts";

/** Tokens that say which piece they are of and where. */
const token = (piece: number, at: number): number => 1 + piece * 100 + at;

function randomPieces(rng: Seeded, count: number, length: number): { count: number; at(index: number): Piece } {
  const pieces = Array.from({ length: count }, (_, piece): Piece => {
    const tokens = 1 + rng.below(length);
    const learn = rng.below(2) ? Uint8Array.from({ length: tokens }, () => rng.below(2)) : null;
    return { ids: Int32Array.from({ length: tokens }, (_, at) => token(piece, at)), learn };
  });
  return { count, at: (index) => pieces[index] };
}

/** The same rule with plain lists: windows of rows, a row says which piece it is of and where. */
function packed(pieces: { count: number; at(index: number): Piece }, cursor: number, windows: number, length: number) {
  const rows: ({ piece: number; at: number } | null)[][] = Array.from({ length: windows }, () => []);
  let next = cursor;
  for (; next < pieces.count; next++) {
    const { length: count } = pieces.at(next).ids;
    const window = rows.find((taken) => taken.length + count <= length);
    if (!window) break;
    for (let at = 0; at < count; at++) window.push({ piece: next, at });
  }
  for (const window of rows) while (window.length < length) window.push(null);
  return { rows: rows.flat(), next };
}

function check(batch: TrainBatch, expected: ReturnType<typeof packed>, pieces: { at(index: number): Piece }): void {
  const length = batch.rows / batch.windows;
  const documents = Array.from({ length: batch.documentCount }, (_, i) => [
    ...batch.documents.subarray(3 * i, 3 * i + 3),
  ]);
  let covered = 0;
  for (const [row, count, from] of documents) {
    assert.equal(row, covered, "documents follow each other");
    assert.ok(count > 0 && Math.floor(row / length) === Math.floor((row + count - 1) / length), "within a window");
    const kinds = new Set(expected.rows.slice(row, row + count).map((place) => place?.piece));
    assert.equal(kinds.size, 1, "of one piece, or padding");
    for (let i = 0; i < count; i++) assert.equal(batch.positions[row + i], i);
    const [piece] = kinds;
    assert.equal(count, piece === undefined ? count : pieces.at(piece).ids.length, "the whole piece");
    assert.equal(from, piece === undefined ? 0 : (piece * 7) % count);
    covered += count;
  }
  assert.equal(covered, batch.rows);
  assert.equal(batch.used, expected.rows.filter(Boolean).length);
  for (const [row, place] of expected.rows.entries()) {
    const piece = place && pieces.at(place.piece);
    const last = !piece || place.at === piece.ids.length - 1;
    assert.equal(batch.window[row], place ? Math.floor(row / length) : -1);
    assert.equal(batch.ids[row], place ? token(place.piece, place.at) : 0);
    assert.equal(batch.targets[row], last ? 0 : token(place!.piece, place!.at + 1));
    assert.equal(batch.weights[row], last ? 0 : piece!.learn ? piece!.learn[place!.at + 1] : 1);
  }
}

const trigger: Trigger = (index, rows) => (index * 7) % rows;

describe("packing", () => {
  test("is what plain lists say, over random pieces and windows; every token comes once", () => {
    for (let seed = 0; seed < 60; seed++) {
      const rng = seeded(seed);
      const [windows, length] = [1 + rng.below(4), 1 + rng.below(40)];
      const pieces = randomPieces(rng, 1 + rng.below(60), Math.min(length, 1 + rng.below(length)));
      const batch = newBatch(windows, length);
      const told: number[] = [];
      let cursor = 0;
      while (cursor < pieces.count) {
        const expected = packed(pieces, cursor, windows, length);
        const next = packBatch(batch, pieces, cursor, trigger);
        assert.equal(next, expected.next);
        assert.ok(next > cursor);
        check(batch, expected, pieces);
        told.push(...[...batch.ids].filter((_, row) => batch.window[row] >= 0));
        cursor = next;
      }
      const all = Array.from({ length: pieces.count }, (_, i) => [...pieces.at(i).ids]).flat();
      assert.deepEqual(
        told.sort((a, b) => a - b),
        all,
      );
      assert.equal(packBatch(batch, pieces, cursor), cursor, "nothing is left");
      assert.deepEqual([batch.used, batch.documentCount], [0, windows]);
    }
  });

  test("goes on from a saved cursor as if it had not stopped, whatever the batch held before", () => {
    const rng = seeded(99);
    const pieces = randomPieces(rng, 200, 30);
    const endless = { count: Number.POSITIVE_INFINITY, at: (index: number) => pieces.at(index % 200) };
    const batch = newBatch(3, 50);
    const snapshots: { cursor: number; batch: TrainBatch }[] = [];
    for (let cursor = 0, i = 0; i < 20; i++) {
      const next = packBatch(batch, endless, cursor, trigger);
      snapshots.push({ cursor, batch: structuredClone(batch) });
      cursor = next;
    }
    const dirty = newBatch(3, 50);
    for (const part of [dirty.ids, dirty.positions, dirty.targets, dirty.weights, dirty.documents, dirty.window])
      part.fill(77);
    for (const { cursor, batch: expected } of snapshots.toReversed()) {
      packBatch(dirty, endless, cursor, trigger);
      const meant = ({ documents, ...rest }: TrainBatch) => ({
        ...rest,
        documents: [...documents.subarray(0, 3 * rest.documentCount)],
      });
      assert.deepEqual(meant(structuredClone(dirty)), meant(expected));
    }
  });

  test("a piece that fills a window has no padding; one of a token a document of a row", () => {
    const ids = (count: number) => ({ ids: new Int32Array(count).fill(5), learn: null });
    const batch = newBatch(2, 4);
    const lengths = [4, 1, 1, 1, 1];
    assert.equal(packBatch(batch, { count: 5, at: (i) => ids(lengths[i]) }, 0), 5);
    assert.deepEqual([...batch.documents.subarray(0, 15)], [0, 4, 0, 4, 1, 0, 5, 1, 0, 6, 1, 0, 7, 1, 0]);
    assert.deepEqual([...batch.weights], [1, 1, 1, 0, 0, 0, 0, 0]);
    assert.deepEqual([batch.used, batch.documentCount], [8, 5]);
  });

  test("pieces of no tokens, or of more than a window has, are refused", () => {
    for (const count of [0, 5])
      assert.throws(
        () => packBatch(newBatch(2, 4), { count: 9, at: () => ({ ids: new Int32Array(count), learn: null }) }, 3),
        (error: unknown) => {
          assert.ok(error instanceof HyperthinkError && error.code === "bad-argument");
          assert.match(error.message, new RegExp(`piece 3 has ${count} tokens; expected 1 to 4`));
          return true;
        },
      );
  });
});
