import { createHash } from "node:crypto";
import type { Pieces } from "./pieces.ts";

/** Collects pieces in a few long arrays: objects of their own would take more room than short pieces' tokens. */
export class PieceStore {
  #ids = new Int32Array(1 << 16);
  #learn: Uint8Array | null;
  readonly #ends: number[] = [];
  readonly #documents: { ends: number[]; places: number[] } = { ends: [], places: [] };

  /** `marked`: pieces say which of their tokens are to be predicted. */
  constructor(marked: boolean) {
    this.#learn = marked ? new Uint8Array(this.#ids.length) : null;
  }

  get count(): number {
    return this.#ends.length;
  }

  get tokens(): number {
    return this.#ends.at(-1) ?? 0;
  }

  /** Puts tokens `from` to `to` (exclusive) there as the next piece. `learn` counts where pieces are marked. */
  add(ids: readonly number[], learn: Uint8Array | null, from: number, to: number): void {
    const start = this.tokens;
    const end = start + to - from;
    while (end > this.#ids.length) this.#grow();
    for (let i = from; i < to; i++) this.#ids[start + i - from] = ids[i];
    if (learn) this.#learn?.set(learn.subarray(from, to), start);
    this.#ends.push(end);
  }

  /** What was added since the last one's end were the pieces of one document; none is none. */
  endDocument(place: number): void {
    const { ends, places } = this.#documents;
    if (this.count === (ends.at(-1) ?? 0)) return;
    ends.push(this.count);
    places.push(place);
  }

  #grow(): void {
    const [ids, learn] = [this.#ids, this.#learn];
    this.#ids = new Int32Array(2 * ids.length);
    this.#ids.set(ids);
    if (!learn) return;
    this.#learn = new Uint8Array(2 * learn.length);
    this.#learn.set(learn);
  }

  /** What was collected so far. The fingerprint is of tokens, marks and where pieces end, so of all that is learned. */
  pieces(description: string): Pieces {
    const { tokens } = this;
    const ids = this.#ids.subarray(0, tokens);
    const learn = this.#learn?.subarray(0, tokens) ?? null;
    const ends = Float64Array.from(this.#ends);
    const hash = createHash("sha256").update(ids).update(ends);
    if (learn) hash.update(learn);
    return {
      description,
      fingerprint: hash.digest("hex"),
      count: ends.length,
      documents: {
        ends: Float64Array.from(this.#documents.ends),
        places: Float64Array.from(this.#documents.places),
      },
      at(index) {
        const [from, to] = [index > 0 ? ends[index - 1] : 0, ends[index]];
        return { ids: ids.subarray(from, to), learn: learn?.subarray(from, to) ?? null };
      },
    };
  }
}
