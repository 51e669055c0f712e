import { badArgument } from "../../base/errors.ts";
import type { Pieces } from "../data/pieces.ts";

/**
 * Prompts of up to `length` tokens: pieces in a row, as many as fit. Where pieces come from several sources, these take
 * turns. One that would be less than half full is left out where there are others: in a short prompt, every key's part
 * of the attention is larger. Throws `bad-argument` for a piece that is longer.
 */
export function* promptsOf(sources: readonly Pieces[], length: number): Generator<Int32Array> {
  let running = sources.map((pieces) => joined(pieces, length));
  while (running.length > 0) {
    const left: typeof running = [];
    for (const prompts of running) {
      const { value, done } = prompts.next();
      if (done) continue;
      yield value;
      left.push(prompts);
    }
    running = left;
  }
}

function* joined(pieces: Pieces, length: number): Generator<Int32Array, void> {
  let ids: number[] = [];
  let given = 0;
  for (let i = 0; i < pieces.count; i++) {
    const piece = pieces.at(i).ids;
    if (piece.length > length)
      throw badArgument(`piece ${i} has ${piece.length} tokens; expected at most ${length}: cut it before`);
    if (ids.length + piece.length > length) {
      if (2 * ids.length >= length) {
        yield Int32Array.from(ids);
        given++;
      }
      ids = [];
    }
    ids.push(...piece);
  }
  if (ids.length > 1 && (given === 0 || 2 * ids.length >= length)) yield Int32Array.from(ids);
}
