import { badArgument } from "../../base/errors.ts";
import { uniform } from "../../base/rng.ts";
import { fingerprintOf, placeOf } from "../disk/fingerprint.ts";

/** Tokens that are read together; pieces never see each other. */
export interface Piece {
  ids: Int32Array;
  /** [ids], 1: this token is to be predicted. Null: all of them are. */
  learn: Uint8Array | null;
}

export interface Documents {
  readonly ends: Float64Array; // pieces up to the end of each
  readonly places: Float64Array; // of each, from 0 up to 1, by its text alone
}

/** Pieces by number: a pure function, so that a resumed run reads what an uninterrupted one would have. */
export interface Pieces {
  /** For people: what they are, and how many. */
  readonly description: string;
  /** sha256 of what they are made of. */
  readonly fingerprint: string;
  /** Infinity: generated without end. */
  readonly count: number;
  /** The documents that they were cut from, in a row. Absent: each piece is one. */
  readonly documents?: Documents;
  /** The piece of a number from 0 to count - 1. */
  at(index: number): Piece;
}

/**
 * The pieces without end, each epoch in an order of its own: number e * count + i is one of them, and over an epoch e
 * each comes once. Generated pieces stay as they come. Throws `bad-argument` where there are none.
 */
export function shuffledPieces(pieces: Pieces, seed: number): Pieces {
  const { count } = pieces;
  if (count === Number.POSITIVE_INFINITY) return pieces;
  if (count === 0) throw badArgument(`${pieces.description}: expected at least one piece to shuffle`);
  let epoch = -1;
  let order: Uint32Array = new Uint32Array(0);
  return {
    description: `${pieces.description}, shuffled`,
    fingerprint: fingerprintOf([pieces.fingerprint, "shuffled", seed]),
    count: Number.POSITIVE_INFINITY,
    at(index) {
      const own = Math.floor(index / count);
      if (own !== epoch) {
        order = permutation(count, seed, own);
        epoch = own;
      }
      return pieces.at(order[index - own * count]);
    },
  };
}

/** The pieces once, in an order by the seed. */
export const onceShuffled = (pieces: Pieces, seed: number): Pieces => ({
  ...shuffledPieces(pieces, seed),
  count: pieces.count,
});

/** The same pieces, each without what is beyond its first `length` tokens. */
export const shortened = (pieces: Pieces, length: number): Pieces => ({
  ...pieces,
  at(index) {
    const { ids, learn } = pieces.at(index);
    return { ids: ids.subarray(0, length), learn: learn?.subarray(0, length) ?? null };
  },
});

/**
 * A share (0 to 1) of the pieces to test on; the others to train on. Texts alone decide which, so that runs that learn
 * on from each other hold out the same ones: documents stay whole and are chosen by their places, but of long ones
 * (whose own share is a piece or more, or that are more than half of all pieces) the end is held out. Both parts keep
 * their order, and have a piece at least. Throws `bad-argument` where there are fewer than two, or without end.
 */
export function heldOut(pieces: Pieces, share: number): { train: Pieces; test: Pieces } {
  const { count } = pieces;
  if (!(share > 0 && share < 1)) throw badArgument(`expected a share between 0 and 1 to hold out, got ${share}`);
  if (count === Number.POSITIVE_INFINITY)
    throw badArgument(`${pieces.description}: these come without end; generate others to test on`);
  if (count < 2)
    throw badArgument(
      `${pieces.description}: expected at least 2 pieces, one of them to test on; give more text, or shorter pieces`,
    );
  const held = heldPieces(pieces, share);
  const part = (name: string, wanted: boolean): Pieces => {
    const chosen = Uint32Array.from(held.keys()).filter((i) => held[i] === Number(wanted));
    return {
      description: `${pieces.description}: ${chosen.length} ${name}`,
      fingerprint: fingerprintOf([pieces.fingerprint, name, share]),
      count: chosen.length,
      at: (index) => pieces.at(chosen[index]),
    };
  };
  return { train: part("to train on", false), test: part("held out", true) };
}

/** [count], 1: this piece is held out. */
function heldPieces(pieces: Pieces, share: number): Uint8Array {
  const { count, documents } = pieces;
  const ends = documents?.ends ?? Float64Array.from({ length: count }, (_, i) => i + 1);
  const places = documents?.places ?? Float64Array.from({ length: count }, (_, i) => placeOf(pieces.at(i).ids.join()));
  const held = new Uint8Array(count);
  const short: number[] = [];
  const begin = (document: number) => (document > 0 ? ends[document - 1] : 0);
  const holdEnd = (from: number, to: number) =>
    held.fill(1, to - Math.min(to - from - 1, Math.max(1, Math.round(share * (to - from)))), to);
  for (const [d, end] of ends.entries()) {
    const own = end - begin(d);
    if (own > 1 && (share * own >= 1 || 2 * own > count)) holdEnd(begin(d), end);
    else short.push(d);
  }
  const hold = (chosen: (place: number) => boolean) => {
    for (const d of short) held.fill(chosen(places[d]) ? 1 : 0, begin(d), ends[d]);
  };
  const [least, most] = short.reduce(([a, b], d) => [Math.min(a, places[d]), Math.max(b, places[d])], [1, 0]);
  hold((place) => place < share);
  if (!held.includes(1)) hold((place) => place === least);
  if (!held.includes(0)) hold((place) => place !== most);
  if (!held.includes(1) || !held.includes(0)) {
    held.fill(0); // copies of one text
    holdEnd(0, count);
  }
  return held;
}

/** The numbers 0 to count - 1 in a random order (Fisher and Yates), a function of seed and epoch. */
function permutation(count: number, seed: number, epoch: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(uniform(seed, ORDER, epoch, i) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Tells these draws from others of the same seed. */
const ORDER = 0x0e90c4;
