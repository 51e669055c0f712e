import { boundsLength, type Device, type F32, type Hidden, type LaneShape } from "../device/device.ts";
import type { Side } from "../model/attention.ts";
import type { Policy } from "../policy/policy.ts";

/** Queries that rings have room for at least, more than any policy looks at by default; what is not used is not touched. */
const LEAST_RING = 64;

/**
 * The memory that policies have beside keys and values, made when a policy first wants it. Buffers are sized for all sets and the
 * whole context but touched only where used: 4 bytes a key for a board, Hq * D * 4 a query of a ring, two keys a page of bounds.
 */
export class Sides {
  readonly #device: Device;
  readonly #lanes: LaneShape;
  readonly #stride: number;
  #board: Hidden | null = null;
  #hostBoard: F32 | null = null;
  #ring: { q: Hidden; room: number } | null = null;
  #moments: Hidden | null = null;
  #bounds: Hidden | null = null;
  #raw: { raw: Hidden; lse: Hidden } | null = null;
  /** Queries that rings hold at least: policies that share what one prompt left must agree on it. */
  queries = 0;
  /** Boards lie where the host may change them, whoever's: so that what one prompt left serves policies of one's own too. */
  hosted = false;

  /** `stride`: slots a lane, the pending key's included. */
  constructor(device: Device, lanes: LaneShape, stride: number) {
    this.#device = device;
    this.#lanes = lanes;
    this.#stride = stride;
  }

  of(policy: Policy): Side {
    const stride = this.#stride;
    const { cut, reads } = policy;
    const watch = cut?.watch;
    const queries = cut && watch && watch.queries > 0 ? Math.max(watch.queries, this.queries) : 0;
    return {
      board: cut ? { scores: cut.rescore || this.hosted ? this.#shared() : this.#scores(), stride } : null,
      ring: queries > 0 ? this.#queries(queries) : null,
      moments: watch?.moments ? { sums: this.#sums(), skip: watch.moments.skip } : null,
      bounds: reads?.pages ? this.#pages() : null,
      scores: watch && watch.row !== "none" ? { ...this.#weights(), stride } : null,
    };
  }

  #slots(): number {
    const { sets, layers, kvHeads } = this.#lanes;
    return sets * layers * kvHeads * this.#stride;
  }

  #scores(): Hidden {
    this.#board ??= this.#device.hidden(this.#slots());
    return this.#board;
  }

  #shared(): F32 {
    this.#hostBoard ??= this.#device.f32(this.#slots());
    return this.#hostBoard;
  }

  #queries(queries: number): { q: Hidden; queries: number } {
    if (!this.#ring || this.#ring.room < queries) {
      const { layers, queryHeads, headDim } = this.#lanes;
      const room = 2 ** Math.ceil(Math.log2(Math.max(LEAST_RING, queries))); // a smaller one stays until the device closes
      this.#ring = { q: this.#device.hidden(this.#lanes.sets * layers * room * queryHeads * headDim), room };
    }
    return { q: this.#ring.q, queries };
  }

  #sums(): Hidden {
    const { layers, queryHeads, headDim: D } = this.#lanes;
    this.#moments ??= this.#device.hidden(this.#lanes.sets * layers * queryHeads * (D + D * D) * 2);
    return this.#moments;
  }

  #pages(): Hidden {
    this.#bounds ??= this.#device.hidden(boundsLength(this.#lanes));
    return this.#bounds;
  }

  #weights(): { raw: Hidden; lse: Hidden } {
    const heads = this.#lanes.sets * this.#lanes.queryHeads;
    this.#raw ??= { raw: this.#device.hidden(heads * this.#stride), lse: this.#device.hidden(heads) };
    return this.#raw;
  }
}
