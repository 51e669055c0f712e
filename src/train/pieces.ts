import { badArgument } from "../base/errors.ts";
import { uniform } from "../base/rng.ts";
import { fingerprintOf } from "./fingerprint.ts";

/** Tokens that are read together; pieces never see each other. */
export interface Piece {
  ids: Int32Array;
  /** [ids], 1: this token is to be predicted. Null: all of them are. */
  learn: Uint8Array | null;
}

/** Pieces by number: a pure function, so that a resumed run reads what an uninterrupted one would have. */
export interface Pieces {
  /** For people: what they are, and how many. */
  readonly description: string;
  /** sha256 of what they are made of. */
  readonly fingerprint: string;
  /** Infinity: generated without end. */
  readonly count: number;
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

/** The same pieces, each without what is beyond its first `length` tokens. */
export const shortened = (pieces: Pieces, length: number): Pieces => ({
  ...pieces,
  at(index) {
    const { ids, learn } = pieces.at(index);
    return { ids: ids.subarray(0, length), learn: learn?.subarray(0, length) ?? null };
  },
});

/**
 * A share (0 to 1) of the pieces, chosen by the seed, to test on; the others to train on. Both keep their order, and
 * have a piece at least. Throws `bad-argument` where there are fewer than two, or without end.
 */
export function heldOut(pieces: Pieces, share: number, seed: number): { train: Pieces; test: Pieces } {
  const { count } = pieces;
  if (!(share > 0 && share < 1)) throw badArgument(`expected a share between 0 and 1 to hold out, got ${share}`);
  if (count === Number.POSITIVE_INFINITY)
    throw badArgument(`${pieces.description}: these come without end; generate others to test on`);
  if (count < 2)
    throw badArgument(
      `${pieces.description}: expected at least 2 pieces, one of them to test on; give more text, or shorter pieces`,
    );
  const held = Math.min(count - 1, Math.max(1, Math.round(share * count)));
  const order = permutation(count, seed, 0);
  const part = (name: string, chosen: Uint32Array): Pieces => ({
    description: `${pieces.description}: ${chosen.length} ${name}`,
    fingerprint: fingerprintOf([pieces.fingerprint, name, share, seed]),
    count: chosen.length,
    at: (index) => pieces.at(chosen[index]),
  });
  return {
    train: part("to train on", order.slice(held).sort()),
    test: part("held out", order.slice(0, held).sort()),
  };
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
